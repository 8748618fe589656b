//! Several of everything at once.

use futures::future::join_all;

use crate::house::{House, succeeded};

#[tokio::test]
async fn two_gateways_and_two_workers_share_the_work_and_lose_none() {
    let house = House::start(2, 2).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let prompts: Vec<_> = (0..40).map(|n| format!("fox number {n}")).collect();
    let created = join_all(prompts.iter().map(|prompt| user.create(prompt, 1))).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert_eq!(house.settled(&user, credits).await, 40);
    house.stop().await;
}

#[tokio::test]
async fn r48_a_rolling_restart_refuses_nobody() {
    let house = House::start(2, 2).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let work = async {
        for round in 0..30 {
            let created = join_all((0..2).map(|_| user.create("a fox on the move", 1))).await;
            assert!(created.iter().all(Result::is_ok), "{round}: {created:?}");
        }
    };
    let restarts = async {
        for part in ["worker-1", "worker-2", "gateway-1", "gateway-2", "billing", "account"] {
            house.stack.restart(part, &[]).await.unwrap_or_else(|error| panic!("{part}: {error:#}"));
            house.stack.part_ready(part).await.expect("it comes back");
        }
    };
    tokio::join!(work, restarts);
    assert_eq!(house.settled(&user, credits).await, 60);
    assert!(house.stack.parts().iter().all(|part| part.restarts == 0), "nobody ended by itself");
    let all = user.generations().await.expect("a list");
    assert!(all.iter().all(succeeded));
    house.stop().await;
}
