//! A broker that takes back what is held too long, and with it the channel (`consumer_timeout`).

use std::{collections::BTreeSet, path::Path, time::Duration};

use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Decision, Deliveries, Queue, Received, run};
use imagioo_runtime::Shutdown;
use imagioo_servers::{Process as _, RabbitMq};
use tokio::{sync::watch, time::timeout};

use crate::{
    messages::{HANG, assert_nothing_comes_within, name, settled, subscribe, take},
    subject::rabbit_config,
};

/// Milliseconds that the broker lets a delivery be unanswered, and between its looks at that.
const HELD_AT_MOST: u64 = 1_000;
const LOOKS: u64 = 100;
/// Longer than the shortest delay of a retry.
const QUIET: Duration = Duration::from_secs(1);

async fn impatient() -> (RabbitMq, Queue) {
    let mut broker = RabbitMq::prepare(Path::new(env!("CARGO_TARGET_TMPDIR"))).await.unwrap();
    broker.set("consumer_timeout", HELD_AT_MOST);
    broker.set("channel_tick_interval", LOOKS);
    broker.boot().await.unwrap();
    let queue = Queue::rabbitmq(&rabbit_config(broker.url())).unwrap();
    (broker, queue)
}

/// Acknowledges what comes, until all of these have; none may come twice.
async fn take_all(deliveries: &mut Deliveries, expected: &[(&str, u32)]) {
    let mut came = BTreeSet::new();
    for _ in expected {
        let delivery = take(deliveries).await;
        came.insert((name(&delivery), delivery.attempt()));
        delivery.ack().await;
    }
    assert_eq!(came, expected.iter().map(|(name, attempt)| ((*name).to_owned(), *attempt)).collect());
}

#[tokio::test]
async fn r40_what_is_held_too_long_costs_a_channel_and_goes_to_others_once() {
    let (mut broker, queue) = impatient().await;
    let mut slow = subscribe(&queue, 8).await;
    for name in ["acked", "retried", "given up", "dropped", "sent ahead"] {
        queue.publish(settled(name)).await.unwrap();
    }
    let [acked, retried, given_up, dropped] =
        [take(&mut slow).await, take(&mut slow).await, take(&mut slow).await, take(&mut slow).await];
    // Everything is with the first, so that what comes here was taken away there.
    let mut other = subscribe(&queue, 8).await;
    let all = [("acked", 2), ("retried", 2), ("given up", 2), ("dropped", 2), ("sent ahead", 2)];
    take_all(&mut other, &all).await;

    acked.ack().await;
    retried.retry(Duration::ZERO).await;
    given_up.dead_letter("it takes too long").await;
    drop(dropped);
    assert_nothing_comes_within(QUIET, &mut other).await;
    assert_eq!(queue.dead_letters().await.unwrap(), Vec::new(), "it was done elsewhere");
    drop(other);

    queue.publish(settled("next")).await.unwrap();
    // Perhaps by way of the other, whose end the broker may not have heard of yet.
    let next = take(&mut slow).await;
    assert_eq!(name(&next), "next");
    next.ack().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn r40_a_handler_slower_than_the_broker_allows_stops_none_of_its_neighbours() {
    let (mut broker, queue) = impatient().await;
    let taken = watch::Sender::new(BTreeSet::new());
    let (noted, shutdown) = (taken.clone(), Shutdown::new(HANG));
    let handler = move |Received::<GenerationSettled> { payload, attempt, .. }| {
        let noted = noted.clone();
        async move {
            let slow = payload.generation == "slow" && attempt == 1;
            assert!(noted.send_if_modified(|taken| taken.insert((payload.generation, attempt))), "twice");
            if slow {
                came(&noted, "slow", 2).await;
            }
            Decision::Done
        }
    };
    let deliveries = subscribe(&queue, 8).await;
    shutdown.spawn("consumer", run(deliveries, 2, shutdown.clone(), handler));
    for name in ["slow", "neighbour"] {
        queue.publish(settled(name)).await.unwrap();
        came(&taken, name, 1).await;
    }
    came(&taken, "slow", 2).await;
    queue.publish(settled("next")).await.unwrap();
    came(&taken, "next", 1).await;
    shutdown.request();
    shutdown.drained().await;
    assert!(!shutdown.is_forced(), "the slow one has ended");
    assert_eq!(taken.borrow().len(), 4, "{taken:?}");
    assert_nothing_comes_within(QUIET, &mut subscribe(&queue, 8).await).await;
    assert_eq!(queue.dead_letters().await.unwrap(), Vec::new());
    broker.stop().await.unwrap();
}

/// Waits until a handler has begun with this delivery.
async fn came(taken: &watch::Sender<BTreeSet<(String, u32)>>, name: &str, attempt: u32) {
    let mut changes = taken.subscribe();
    let waiting = changes.wait_for(|taken| taken.contains(&(name.to_owned(), attempt)));
    timeout(HANG, waiting).await.expect("it is delivered").unwrap();
}
