//! Brokers that are killed, late, blocked, or close connections: each test has one of its own to hurt.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use futures::StreamExt as _;
use imagioo_proto::jobs::v1::GenerationChanged;
use imagioo_queue::{Message, PublishError, Queue, RabbitConfig, relay};
use imagioo_runtime::Shutdown;
use imagioo_servers::{Process as _, RabbitMq};
use imagioo_testkit::link::{Fault, Link};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{interval, timeout},
};

use crate::{
    messages::{HANG, name, settled, subscribe, take},
    outbox::Table,
    subject::rabbit_config,
    total_queue::{Seen, all_seen, consume_clumsily},
};

const PRODUCERS: usize = 10;
const MESSAGES: usize = 50;
const CONSUMERS: usize = 4;
/// How often a producer tries again what was not confirmed, as an outbox does.
const AGAIN: Duration = Duration::from_millis(100);

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn queue(broker: &RabbitMq) -> Queue {
    Queue::rabbitmq(&rabbit_config(broker.url())).unwrap()
}

/// Gives up soon what the broker does not confirm.
fn hasty_queue(broker: &RabbitMq) -> Queue {
    Queue::rabbitmq(&RabbitConfig { publish_timeout_ms: 3_000, ..rabbit_config(broker.url()) }).unwrap()
}

/// Publishes until it is confirmed, as an outbox does.
async fn insist(queue: &Queue, message: Message) {
    let mut rhythm = interval(AGAIN);
    let insisting = async {
        while queue.publish(message.clone()).await.is_err() {
            rhythm.tick().await;
        }
    };
    timeout(HANG, insisting).await.expect("the broker is back");
}

/// Declares every queue of the burst and lets a second pass. RabbitMQ writes the registration of a new quorum
/// queue to disk a moment after it has answered (seen with 3.10.8); killed before, it forgets the queue.
async fn settle_in(queue: &Queue) {
    let mut deliveries = subscribe(queue, 1).await;
    insist(queue, settled("first")).await;
    for delay in [Duration::from_millis(50), Duration::from_secs(1)] {
        take(&mut deliveries).await.retry(delay).await;
    }
    take(&mut deliveries).await.ack().await;
}

#[tokio::test]
async fn r32_a_broker_killed_in_a_burst_loses_nothing_it_confirmed() {
    let mut broker = RabbitMq::start(folder()).await.unwrap();
    let queue = queue(&broker);
    settle_in(&queue).await;
    let (seen, confirmed) = (Seen::default(), Arc::new(watch::Sender::new(0_usize)));
    let mut consumers = JoinSet::new();
    for _ in 0..CONSUMERS {
        consumers.spawn(consume_clumsily(subscribe(&queue, 8).await, Arc::clone(&seen)));
    }
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        let (queue, confirmed) = (queue.clone(), Arc::clone(&confirmed));
        producers.spawn(async move {
            for number in 0..MESSAGES {
                insist(&queue, settled(&format!("{producer}/{number}"))).await;
                confirmed.send_modify(|confirmed| *confirmed += 1);
            }
        });
    }
    let mut burst = confirmed.subscribe();
    burst.wait_for(|confirmed| *confirmed >= PRODUCERS * MESSAGES / 4).await.unwrap();
    broker.restart().await.unwrap();
    timeout(HANG, producers.join_all()).await.expect("every publish is confirmed");

    let published: BTreeSet<String> = (0..PRODUCERS)
        .flat_map(|producer| (0..MESSAGES).map(move |number| format!("{producer}/{number}")))
        .collect();
    timeout(HANG, all_seen(&seen, &published)).await.expect("nothing confirmed is lost");
    consumers.shutdown().await;
    assert_eq!(*seen.borrow(), published, "unexpected");
    assert_eq!(queue.dead_letters().await.unwrap(), Vec::new());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn consumers_and_listeners_resume_when_the_broker_closes_their_connections() {
    let mut broker = RabbitMq::start(folder()).await.unwrap();
    let queue = queue(&broker);
    let mut deliveries = subscribe(&queue, 8).await;
    let mut listener = queue.listen::<GenerationChanged>().await.unwrap();
    queue.publish(settled("a")).await.unwrap();
    let held = take(&mut deliveries).await;

    broker.close_connections().await.unwrap();

    let again = take(&mut deliveries).await;
    assert_eq!((name(&again), again.attempt()), ("a".to_owned(), 2));
    held.ack().await;
    again.ack().await;
    insist(&queue, settled("b")).await;
    let next = take(&mut deliveries).await;
    assert_eq!(name(&next), "b");
    next.ack().await;
    // A hint that nobody heard is lost, so it is repeated until the listener is back.
    let mut rhythm = interval(AGAIN);
    let heard = async {
        loop {
            tokio::select! {
                hint = listener.next() => return hint,
                _ = rhythm.tick() => queue.hint(&GenerationChanged::default()).await,
            }
        }
    };
    assert!(timeout(HANG, heard).await.expect("the listener is back").is_some());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_absent_at_the_start_is_found_when_it_comes() {
    let mut broker = RabbitMq::prepare(folder()).await.unwrap();
    let queue = queue(&broker);
    let refused = queue.publish(settled("a")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable { .. })), "{refused:?}");
    queue.hint(&GenerationChanged::default()).await;
    let mut deliveries = subscribe(&queue, 1).await;
    broker.boot().await.unwrap();
    insist(&queue, settled("a")).await;
    let delivery = take(&mut deliveries).await;
    assert_eq!(name(&delivery), "a");
    delivery.ack().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn r51_a_broker_in_alarm_is_an_error_and_not_a_hang() {
    let mut broker = RabbitMq::start(folder()).await.unwrap();
    let queue = hasty_queue(&broker);
    insist(&queue, settled("a")).await;
    broker.control(&["set_vm_memory_high_watermark", "absolute", "1"]).await.unwrap();
    let mut publishes = 0;
    let blocked = async {
        loop {
            publishes += 1;
            match queue.publish(settled("b")).await {
                Err(PublishError::Unavailable { .. }) => return,
                Ok(()) | Err(PublishError::Unconfirmed { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    timeout(HANG, blocked).await.expect("the alarm is an error");
    let mut deliveries = subscribe(&queue, 1).await;
    take(&mut deliveries).await.ack().await;
    broker.control(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await.unwrap();
    insist(&queue, settled("c")).await;
    broker.stop().await.unwrap();
}

/// A broker behind a link, and a queue that reaches it over that.
async fn behind_a_link() -> (RabbitMq, Link, Queue) {
    let broker = RabbitMq::start(folder()).await.unwrap();
    let (before, address) = broker.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (target, path) = address.split_once('/').unwrap_or((&address, ""));
    let link = Link::to(target.parse().unwrap());
    let url = format!("{before}@{}/{path}", link.address()).trim_end_matches('/').to_owned();
    let config = RabbitConfig { publish_timeout_ms: 1_000, ..rabbit_config(url) };
    (broker, link, Queue::rabbitmq(&config).unwrap())
}

#[tokio::test]
async fn r36_a_broker_that_never_confirms_or_breaks_the_connection_leaves_the_row_until_it_does() {
    let (mut broker, link, queue) = behind_a_link().await;
    let mut deliveries = subscribe(&queue, 8).await;
    insist(&queue, settled("first")).await;
    take(&mut deliveries).await.ack().await;
    for (number, fault) in [Fault::Silence, Fault::Cut, Fault::Loss(1)].into_iter().enumerate() {
        let table = Table::of([settled(&format!("{number}"))]).claimed_for(AGAIN);
        link.hurt(fault);
        let (shutdown, wake) = (Shutdown::new(HANG), Arc::new(Notify::new()));
        let relaying = relay(table.clone(), queue.clone(), Arc::clone(&wake), shutdown.clone());
        shutdown.spawn("relay", relaying);
        let refused = timeout(HANG, queue.publish(settled("meanwhile"))).await.expect("no hang");
        assert!(refused.is_err(), "{fault:?}");
        assert_eq!(table.len(), 1, "{fault:?}: unconfirmed");
        link.heal();
        let forgotten = async {
            while table.len() > 0 {
                wake.notify_one();
                tokio::task::yield_now().await;
            }
        };
        let came = async {
            loop {
                let delivery = take(&mut deliveries).await;
                let name = name(&delivery);
                delivery.ack().await;
                if name == format!("{number}") {
                    return;
                }
            }
        };
        let both = async { tokio::join!(forgotten, came) };
        timeout(HANG, both).await.expect("published and forgotten once the link is whole");
        shutdown.request();
        shutdown.drained().await;
    }
    broker.stop().await.unwrap();
}
