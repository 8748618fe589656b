//! The transport of one process: the common properties, and those that its confirms add.

use std::time::Duration;

use futures::StreamExt as _;
use imagioo_proto::jobs::v1::GenerationChanged;
use imagioo_queue::{
    PublishError, Queue, Selection, Subscription,
    topology::{HINTS_PER_LISTENER, OFFER_LIFETIME, OFFERS_PER_DEPLOYMENT},
};
use tokio::time::{advance, timeout};

use crate::{
    messages::{SOON, assert_nothing_comes, offered, publish, ready, settled, subscribe, take},
    subject::Subject,
};

crate::conformance::properties!(
    #[tokio::test(start_paused = true)]
    Subject::in_process()
);

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_invented_under_load() {
    crate::total_queue::nothing_is_lost_or_invented_under_load(Subject::in_process()).await;
}

#[tokio::test(start_paused = true)]
async fn a_publish_waits_for_its_consumer_and_its_acknowledgement() {
    let queue = Queue::in_process();
    let mut publishes = publish(&queue, [settled("a")]);
    assert!(timeout(SOON, publishes.join_next()).await.is_err(), "no consumer is attached");
    let mut deliveries = subscribe(&queue, 1).await;
    let delivery = take(&mut deliveries).await;
    assert!(timeout(SOON, publishes.join_next()).await.is_err(), "the consumer is not done");
    drop(delivery);
    assert!(timeout(SOON, publishes.join_next()).await.is_err(), "the consumer crashed");
    take(&mut deliveries).await.ack().await;
    timeout(SOON, publishes.join_all()).await.expect("the consumer is done");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_publisher_left_is_delivered_all_the_same() {
    let queue = Queue::in_process();
    assert!(timeout(SOON, queue.publish(settled("a"))).await.is_err());
    let mut deliveries = subscribe(&queue, 1).await;
    take(&mut deliveries).await.ack().await;
    assert_nothing_comes(&mut deliveries).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_deployment_refuses_until_offers_expire() {
    let queue = Queue::in_process();
    for _ in 0..OFFERS_PER_DEPLOYMENT {
        queue.offer("sketch", &ready("old")).await.unwrap();
    }
    let refused = queue.offer("sketch", &ready("more")).await;
    assert!(matches!(refused, Err(PublishError::Full { queue }) if queue == "deployment.sketch"));
    advance(OFFER_LIFETIME).await;
    queue.offer("sketch", &ready("new")).await.unwrap();
    let mut deliveries = queue.consume(Subscription::deployment("sketch", 1)).await.unwrap();
    assert_eq!(offered(&take(&mut deliveries).await), "new");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_falls_behind_skips_the_oldest_hints() {
    let queue = Queue::in_process();
    let mut slow = queue.listen::<GenerationChanged>().await.unwrap();
    let sent = HINTS_PER_LISTENER as i64 + 10;
    for version in 1..=sent {
        queue.hint(&GenerationChanged { generation: "a".to_owned(), version, ..Default::default() }).await;
    }
    let heard: Vec<_> = slow.by_ref().take(HINTS_PER_LISTENER).map(|hint| hint.version).collect().await;
    assert_eq!(heard, (11..=sent).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_take_loses_no_message() {
    let queue = Queue::in_process();
    let mut deliveries = subscribe(&queue, 1).await;
    for _ in 0..10 {
        assert!(timeout(SOON, deliveries.next()).await.is_err());
    }
    let _publishes = publish(&queue, [settled("a")]);
    let delivery = take(&mut deliveries).await;
    assert_eq!(delivery.attempt(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endless_delay_is_cut_to_a_day() {
    let queue = Queue::in_process();
    let _publishes = publish(&queue, [settled("a")]);
    let mut deliveries = subscribe(&queue, 1).await;
    take(&mut deliveries).await.retry(Duration::MAX).await;
    advance(Duration::from_hours(24)).await;
    assert_eq!(take(&mut deliveries).await.attempt(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_in_a_folder_outlives_the_process_until_it_was_worked_off() {
    let folder = tempfile::tempdir().unwrap();
    let message = settled("a");
    let letters = {
        let queue = Queue::in_process_at(folder.path()).unwrap();
        let publishes = publish(&queue, [message.clone()]);
        take(&mut subscribe(&queue, 1).await).await.dead_letter("a fault of ours").await;
        publishes.join_all().await;
        queue.dead_letters().await.unwrap()
    };
    assert_eq!(letters.len(), 1);
    {
        // This process ends before the replayed message was worked off.
        let queue = Queue::in_process_at(folder.path()).unwrap();
        let found = queue.dead_letters().await.unwrap();
        assert_eq!((&found[0].message, &found[0].reason), (&message, &letters[0].reason));
        assert_eq!(queue.replay(&Selection::All).await.unwrap().len(), 1);
    }
    {
        let queue = Queue::in_process_at(folder.path()).unwrap();
        assert_eq!(queue.replay(&Selection::All).await.unwrap().len(), 1);
        take(&mut subscribe(&queue, 1).await).await.ack().await;
    }
    assert_eq!(Queue::in_process_at(folder.path()).unwrap().dead_letters().await.unwrap(), []);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.letter"), b"hello").unwrap();
    let error = Queue::in_process_at(folder.path()).err().unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("x.letter is no dead letter"), "{source}");
}
