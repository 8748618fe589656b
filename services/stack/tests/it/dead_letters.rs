//! Item 39: messages that were given up, put back once and again.

use imagioo_queue::{Queue, RabbitConfig, Subscription, topology::GENERATION_SETTLED};
use tokio::select;

use crate::house::House;

const MOST: i64 = 50;

/// Somebody's images are made and delivered, while what billing is to hear of them is given up; at least one message.
async fn unsettled(house: &House, user: &imagioo_stack::User) -> anyhow::Result<()> {
    let queue = Queue::rabbitmq(&RabbitConfig::at(house.stack.rabbitmq().clone()))?;
    // A second consumer beside billing gets its share of the messages.
    let mut settled = queue.consume(Subscription::queue(GENERATION_SETTLED, 16)).await?;
    let give_up = async {
        while let Some(delivery) = settled.next().await {
            delivery.dead_letter("a fault of ours").await;
        }
    };
    let create = async {
        for number in 0..MOST {
            user.create(&format!("fox {number}"), 1).await.expect("accepted");
            if queue.dead_letters().await.expect("listed").len() >= 2 {
                break;
            }
        }
        user.all_ended(crate::house::HANG).await.expect("everything ends");
    };
    select! {
        () = create => {}
        () = give_up => anyhow::bail!("the subscription ended"),
    }
    Ok(())
}

/// How many dead letters an answer of the operator's command lists.
pub fn letters(said: &str) -> usize {
    let answer: serde_json::Value = serde_json::from_str(said).expect(said);
    answer["dead_letters"].as_array().expect(said).len()
}

#[tokio::test]
async fn r39_a_settlement_that_was_given_up_is_charged_once_however_often_it_is_replayed() {
    let house = House::start(1, 1).await;
    let user = house.user().await;
    let before = user.balance().await.expect("a balance").available;
    unsettled(&house, &user).await.expect("some are given up");
    let (_, listed) = house.admin(&["dead-letters", "list"]).await;
    let given_up = letters(&listed);
    assert!(given_up >= 2, "{listed}");
    assert!(listed.contains("a fault of ours") && listed.contains("generations/gen_"), "{listed}");
    assert!(user.balance().await.expect("a balance").reserved > 0, "nothing settled them yet");

    // The gateway dies when the first one is back in its queue and not yet acknowledged.
    let armed = [("IMAGIOO_KILL_AT", "queue.replay.before_ack:1")];
    house.stack.restart("gateway-1", &armed).await.expect("it starts");
    house.stack.part_ready("gateway-1").await.expect("it is ready");
    let restarts = house.restarts("gateway-1");
    let (done, said) = house.admin(&["dead-letters", "replay", "--all"]).await;
    assert!(!done, "{said}");
    house.until("its death is seen", async || house.restarts("gateway-1") > restarts).await;
    house.stack.part_ready("gateway-1").await.expect("it comes back");
    let (done, said) = house.admin(&["dead-letters", "replay", "--queue", GENERATION_SETTLED]).await;
    assert!(done, "{said}");
    assert_eq!(letters(&said), given_up, "the one that was put back is here, too");

    house.settled(&user, before).await;
    let (done, said) = house.admin(&["dead-letters", "replay", "--queue", GENERATION_SETTLED]).await;
    assert!(!done && said.contains("NOT_FOUND"), "{said}");
    assert_eq!(letters(&house.admin(&["dead-letters", "list"]).await.1), 0);
    house.stop().await;
}
