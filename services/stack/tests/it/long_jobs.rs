//! Item 40: a job takes longer than RabbitMQ lets a consumer hold a message.

use std::time::Duration;

use crate::dead_letters::letters;
use crate::house::{HANG, House, reachable_folder, succeeded};
use crate::provider::{FakeProvider, MODEL, SLOW};

/// How long the broker lets a delivery be unanswered, and its pauses between looks at that.
const BROKER: &str = "consumer_timeout = 2000\nchannel_tick_interval = 100";
const HELD_AT_MOST: Duration = Duration::from_secs(2);
/// What a worker writes when the broker has taken its channel away.
const CUT_OFF: &str = "subscription lost";

#[tokio::test]
async fn r40_a_job_longer_than_the_brokers_patience_is_made_and_paid_once_and_so_are_its_neighbours() {
    assert!(SLOW > HELD_AT_MOST * 4, "longer, whenever the broker looks");
    let (provider, folder) = (FakeProvider::start().await, reachable_folder());
    let catalogue = folder.path().join("catalogue.toml");
    let mut configs = provider.configs(&catalogue);
    let patient = std::fs::read_to_string(&catalogue)
        .expect("a catalogue")
        .replace("call_timeout_seconds = 3\n", "call_timeout_seconds = 60\n");
    std::fs::write(&catalogue, patient).expect("written");
    // One place, so that what is offered meanwhile is sent ahead and waits unanswered.
    let one_place = "[[deployments]]\nid = \"paid\"\nconcurrency = 1";
    let tables = [("worker", one_place), ("rabbitmq", BROKER)];
    configs.extend(tables.map(|(service, text)| (service, text.parse().expect("TOML"))));
    let house = House::with(1, 1, configs).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let log = house.stack.folder().logs().join("worker-1.log");
    let cut_off = || std::fs::read_to_string(&log).expect("a log").contains(CUT_OFF);
    let create = async |prompt: &str| {
        user.create_with(MODEL, prompt, 1).await.expect("accepted");
    };

    create("slow: alone").await;
    user.all_ended(HANG).await.expect("it ends");
    // The worker looks at its channel when it has a place again.
    create("draw: then").await;
    user.all_ended(HANG).await.expect("it ends");
    assert!(!cut_off(), "a hint is not held for the length of its job");

    create("slow: in front").await;
    house.until("it is being made", async || provider.calls("slow: in front") > 0).await;
    create("draw: behind it").await;
    create("draw: behind both").await;
    user.all_ended(HANG).await.expect("everything ends");
    assert!(cut_off(), "what was sent ahead waited too long");
    create("draw: afterwards").await;

    let all = user.all_ended(HANG).await.expect("everything ends");
    assert!(all.len() == 6 && all.iter().all(succeeded), "{all:?}");
    for generation in &all {
        assert_eq!(provider.calls(&generation.prompt), 1, "{}", generation.prompt);
    }
    assert_eq!(house.settled(&user, credits).await, 6);
    assert_eq!(letters(&house.admin(&["dead-letters", "list"]).await.1), 0);
    let restarted = house.stack.parts().into_iter().filter(|part| part.restarts > 0);
    assert_eq!(restarted.map(|part| part.name).collect::<Vec<_>>(), Vec::<String>::new());
    house.stop().await;
}
