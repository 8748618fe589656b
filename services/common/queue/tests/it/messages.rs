//! Messages that tests tell apart by the name of their generation, and ways to take them.

use std::time::Duration;

use imagioo_proto::jobs::v1::{GenerationReady, GenerationSettled};
use imagioo_queue::{
    DeadLetter, Deliveries, Delivery, Event, Message, Queue, Subscription, topology::GENERATION_SETTLED,
};
use tokio::{task::JoinSet, time::timeout};

/// Longer than the transport in this process needs to deliver, shorter than any delay of the tests.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// What has not come by then never will.
pub(crate) const HANG: Duration = Duration::from_mins(1);

pub(crate) fn settled(name: &str) -> Message {
    Message::of(&GenerationSettled { generation: name.to_owned(), ..Default::default() })
}

pub(crate) fn ready(name: &str) -> GenerationReady {
    GenerationReady { generation: name.to_owned(), attempt: 1 }
}

pub(crate) async fn subscribe(queue: &Queue, prefetch: u16) -> Deliveries {
    queue.consume(Subscription::queue(GENERATION_SETTLED, prefetch)).await.unwrap()
}

/// Publishes at the same time, without waiting for the confirms, which may need a consumer first.
pub(crate) fn publish(queue: &Queue, messages: impl IntoIterator<Item = Message>) -> JoinSet<()> {
    let mut publishes = JoinSet::new();
    for message in messages {
        let queue = queue.clone();
        publishes.spawn(async move { queue.publish(message).await.unwrap() });
    }
    publishes
}

pub(crate) async fn take(deliveries: &mut Deliveries) -> Delivery {
    timeout(HANG, deliveries.next()).await.expect("a message waits").expect("the subscription goes on")
}

pub(crate) async fn assert_nothing_comes(deliveries: &mut Deliveries) {
    assert_nothing_comes_within(SOON, deliveries).await;
}

pub(crate) async fn assert_nothing_comes_within(quiet: Duration, deliveries: &mut Deliveries) {
    if let Ok(delivery) = timeout(quiet, deliveries.next()).await {
        panic!("unexpected {:?}", delivery.map(|delivery| delivery.message().clone()));
    }
}

/// The dead letters as soon as there are any; meanwhile the consumer goes on, and nothing is left for it.
pub(crate) async fn dead_letters(queue: &Queue, deliveries: &mut Deliveries) -> Vec<DeadLetter> {
    let waiting = async {
        loop {
            let letters = queue.dead_letters().await.unwrap();
            if !letters.is_empty() {
                return letters;
            }
            assert_nothing_comes_within(Duration::from_millis(50), deliveries).await;
        }
    };
    timeout(HANG, waiting).await.expect("a message is given up")
}

pub(crate) fn name(delivery: &Delivery) -> String {
    delivery.decode::<GenerationSettled>().unwrap().generation
}

pub(crate) fn offered(delivery: &Delivery) -> String {
    delivery.decode::<GenerationReady>().unwrap().generation
}

/// Takes an event from each of its queues and acknowledges it there.
pub(crate) async fn take_from_every_queue<E: Event>(queue: &Queue, event: &E) {
    let publishes = publish(queue, [Message::of(event)]);
    for name in E::QUEUES {
        let mut deliveries = queue.consume(Subscription::queue(name, 1)).await.unwrap();
        let delivery = take(&mut deliveries).await;
        assert_eq!(delivery.message().name, E::NAME);
        delivery.ack().await;
    }
    timeout(HANG, publishes.join_all()).await.expect("the publish is confirmed");
}
