//! The total-queue check of Jepsen's queue analyses: what was acknowledged is neither lost nor unexpected;
//! duplicates are allowed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use imagioo_queue::Deliveries;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    messages::{name, settled, subscribe},
    subject::Subject,
};

const PRODUCERS: usize = 16;
const MESSAGES: usize = 50;
const CONSUMERS: usize = 4;

/// What consumers have acknowledged.
pub(crate) type Seen = Arc<watch::Sender<BTreeSet<String>>>;

/// Waits until every one of these is acknowledged: what is confirmed may still be on its way.
pub(crate) async fn all_seen(seen: &Seen, expected: &BTreeSet<String>) {
    let mut changes = seen.subscribe();
    let all = changes.wait_for(|seen| seen.is_superset(expected));
    assert!(timeout(Duration::from_hours(1), all).await.is_ok(), "lost");
}

pub(crate) async fn nothing_is_lost_or_invented_under_load(queue: Subject) {
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        let queue = queue.clone();
        producers.spawn(async move {
            for number in 0..MESSAGES {
                queue.publish(settled(&format!("{producer}/{number}"))).await.unwrap();
            }
        });
    }
    let seen = Seen::default();
    let mut consumers = JoinSet::new();
    for _ in 0..CONSUMERS {
        consumers.spawn(consume_clumsily(subscribe(&queue, 8).await, Arc::clone(&seen)));
    }
    timeout(Duration::from_hours(1), producers.join_all()).await.expect("every publish is confirmed");
    let published: BTreeSet<String> = (0..PRODUCERS)
        .flat_map(|producer| (0..MESSAGES).map(move |number| format!("{producer}/{number}")))
        .collect();
    all_seen(&seen, &published).await;
    consumers.shutdown().await;
    assert_eq!(*seen.borrow(), published, "unexpected");
    assert_eq!(queue.dead_letters().await.unwrap(), Vec::new());
}

/// Drops, repeats and acknowledges in turn; notes what it acknowledged.
pub(crate) async fn consume_clumsily(mut deliveries: Deliveries, seen: Seen) {
    let mut turn = 0_u32;
    while let Some(delivery) = deliveries.next().await {
        turn += 1;
        // Clumsy only while the delivery limit is far away.
        match turn % 3 {
            0 if delivery.attempt() < 5 => drop(delivery),
            1 if delivery.attempt() < 5 => delivery.retry(Duration::from_millis(50)).await,
            _ => {
                let name = name(&delivery);
                delivery.ack().await;
                seen.send_if_modified(|seen| seen.insert(name));
            }
        }
    }
}
