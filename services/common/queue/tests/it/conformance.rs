//! What every transport must do. Each property gets a queue of its own.

use std::{collections::BTreeSet, time::Duration};

use futures::StreamExt as _;
use imagioo_proto::{
    account::v1::AccountVerified,
    jobs::v1::{GenerationChanged, GenerationFinished, GenerationSettled},
};
use imagioo_queue::{
    DeadLetter, Message, PublishError, QueueError, Selection, Subscription,
    topology::{DELIVERY_LIMIT, GENERATION_FINISHED, GENERATION_SETTLED},
};
use tokio::time::{Instant, timeout};

use crate::{
    messages::{
        HANG, dead_letters, name, offered, publish, ready, settled, subscribe, take, take_from_every_queue,
    },
    subject::Subject,
};

/// One test for each property, with this attribute, against the subject that the expression makes.
macro_rules! properties {
    (#[$test:meta] $subject:expr) => {
        crate::conformance::properties!(@ #[$test] $subject;
            an_event_reaches_every_queue_bound_to_it,
            an_event_without_a_queue_is_refused,
            a_subscription_outside_the_topology_is_refused,
            an_acknowledged_message_does_not_come_back,
            a_dropped_delivery_comes_back_with_a_higher_attempt,
            a_message_of_a_consumer_that_went_away_reaches_the_next,
            no_more_than_the_prefetch_is_handed_out_unanswered,
            two_consumers_share_the_messages_of_a_queue,
            a_retry_comes_back_after_its_delay_and_not_before,
            a_message_that_always_fails_becomes_a_dead_letter_at_the_limit,
            a_message_that_is_always_retried_becomes_a_dead_letter_beside_its_neighbours,
            a_message_that_is_given_up_becomes_a_dead_letter_with_its_reason,
            r39_a_replayed_message_is_delivered_anew_and_only_where_it_failed,
            r39_only_what_was_meant_is_replayed_or_forgotten,
            r39_what_fails_again_is_a_dead_letter_again,
            an_offer_is_confirmed_before_anyone_takes_it,
            an_offer_reaches_its_deployment_only,
            an_offer_that_nobody_takes_expires,
            a_hint_reaches_everyone_who_listens,
            a_hint_before_the_subscription_is_not_heard,
        );
    };
    (@ #[$test:meta] $subject:expr; $($property:ident,)*) => {
        $(
            #[$test]
            async fn $property() {
                crate::conformance::$property($subject).await;
            }
        )*
    };
}
pub(crate) use properties;

pub(crate) async fn an_event_reaches_every_queue_bound_to_it(queue: Subject) {
    take_from_every_queue(&queue, &GenerationFinished::default()).await;
    take_from_every_queue(&queue, &GenerationSettled::default()).await;
    take_from_every_queue(&queue, &AccountVerified::default()).await;
}

pub(crate) async fn an_event_without_a_queue_is_refused(queue: Subject) {
    let unheard = Message { name: "imagioo.jobs.v1.Unheard".to_owned(), ..settled("a") };
    assert!(matches!(queue.publish(unheard).await, Err(PublishError::Unroutable { .. })));
}

pub(crate) async fn a_subscription_outside_the_topology_is_refused(queue: Subject) {
    let unknown = queue.consume(Subscription::queue("billing.unheard", 1)).await;
    assert!(matches!(unknown, Err(QueueError::UnknownQueue { .. })));
    let boundless = queue.consume(Subscription::queue(GENERATION_SETTLED, 0)).await;
    assert!(matches!(boundless, Err(QueueError::NoPrefetch)));
}

pub(crate) async fn an_acknowledged_message_does_not_come_back(queue: Subject) {
    let _publishes = publish(&queue, [settled("a")]);
    let mut deliveries = subscribe(&queue, 8).await;
    let delivery = take(&mut deliveries).await;
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await;
    queue.assert_nothing_comes(&mut deliveries).await;
    drop(deliveries);
    queue.assert_nothing_comes(&mut subscribe(&queue, 8).await).await;
}

pub(crate) async fn a_dropped_delivery_comes_back_with_a_higher_attempt(queue: Subject) {
    let message = settled("a");
    let _publishes = publish(&queue, [message.clone()]);
    let mut deliveries = subscribe(&queue, 1).await;
    for attempt in 1..=3 {
        let delivery = take(&mut deliveries).await;
        assert_eq!((delivery.attempt(), delivery.message()), (attempt, &message));
        drop(delivery);
    }
}

pub(crate) async fn a_message_of_a_consumer_that_went_away_reaches_the_next(queue: Subject) {
    let _publishes = publish(&queue, [settled("a"), settled("b")]);
    let mut first = subscribe(&queue, 8).await;
    let held = (take(&mut first).await, take(&mut first).await);
    drop(first);
    drop(held);
    let mut second = subscribe(&queue, 8).await;
    let mut names = BTreeSet::new();
    for _ in 0..2 {
        let delivery = take(&mut second).await;
        names.insert(name(&delivery));
        delivery.ack().await;
    }
    assert_eq!(names, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
}

pub(crate) async fn no_more_than_the_prefetch_is_handed_out_unanswered(queue: Subject) {
    let _publishes = publish(&queue, ["a", "b", "c"].map(settled));
    let mut deliveries = subscribe(&queue, 2).await;
    let first = take(&mut deliveries).await;
    let _second = take(&mut deliveries).await;
    queue.assert_nothing_comes(&mut deliveries).await;
    first.ack().await;
    take(&mut deliveries).await.ack().await;
}

pub(crate) async fn two_consumers_share_the_messages_of_a_queue(queue: Subject) {
    let _publishes = publish(&queue, ["a", "b"].map(settled));
    let (mut left, mut right) = (subscribe(&queue, 1).await, subscribe(&queue, 1).await);
    let (first, second) = (take(&mut left).await, take(&mut right).await);
    assert_ne!(name(&first), name(&second));
    first.ack().await;
    second.ack().await;
    queue.assert_nothing_comes(&mut left).await;
}

pub(crate) async fn a_retry_comes_back_after_its_delay_and_not_before(queue: Subject) {
    let _publishes = publish(&queue, [settled("a")]);
    let mut deliveries = subscribe(&queue, 1).await;
    let asked = Instant::now();
    take(&mut deliveries).await.retry(Duration::from_secs(2)).await;
    let delivery = take(&mut deliveries).await;
    assert!(asked.elapsed() >= Duration::from_secs(2));
    assert_eq!((delivery.attempt(), name(&delivery)), (2, "a".to_owned()));
    delivery.ack().await;
    queue.assert_nothing_comes(&mut deliveries).await;
}

pub(crate) async fn a_message_that_always_fails_becomes_a_dead_letter_at_the_limit(queue: Subject) {
    let poison = settled("poison");
    let good = ["a", "b", "c", "d", "e", "f", "g"].map(settled);
    let publishes = publish(&queue, [poison.clone()].into_iter().chain(good));
    let mut deliveries = subscribe(&queue, 8).await;
    let (mut failures, mut done, mut held) = (0, 0, Vec::new());
    while failures < DELIVERY_LIMIT || done < 7 {
        let delivery = take(&mut deliveries).await;
        if delivery.message().id == poison.id {
            failures += 1;
            assert_eq!(delivery.attempt(), failures);
            drop(delivery);
        } else {
            done += 1;
            held.push(delivery);
        }
        if held.len() == 7 {
            for delivery in held.drain(..) {
                assert_eq!(delivery.attempt(), 1, "a neighbour is none the worse");
                delivery.ack().await;
            }
        }
    }
    timeout(HANG, publishes.join_all()).await.expect("dead letters need not be kept elsewhere");
    let letters = dead_letters(&queue, &mut deliveries).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&poison, DELIVERY_LIMIT));
    assert_eq!(letters[0].queue, GENERATION_SETTLED);
    assert!(letters[0].reason.starts_with("given up after 20 deliveries: "), "{}", letters[0].reason);
}

pub(crate) async fn a_message_that_is_always_retried_becomes_a_dead_letter_beside_its_neighbours(
    queue: Subject,
) {
    let poison = settled("poison");
    let good = ["a", "b", "c", "d", "e", "f", "g"].map(settled);
    let publishes = publish(&queue, [poison.clone()].into_iter().chain(good));
    let mut deliveries = subscribe(&queue, 8).await;
    let (mut failures, mut done) = (0, 0);
    while failures < DELIVERY_LIMIT || done < 7 {
        let delivery = take(&mut deliveries).await;
        if delivery.message().id == poison.id {
            failures += 1;
            assert_eq!(delivery.attempt(), failures);
            delivery.retry(Duration::ZERO).await;
        } else {
            done += 1;
            delivery.ack().await;
        }
    }
    timeout(HANG, publishes.join_all()).await.expect("dead letters need not be kept elsewhere");
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&poison, DELIVERY_LIMIT));
    assert_eq!(letters[0].reason, "given up after 20 deliveries: the consumer asked for a retry");
    assert_eq!(queue.dead_letters().await.unwrap(), letters, "looking takes nothing away");
}

pub(crate) async fn a_message_that_is_given_up_becomes_a_dead_letter_with_its_reason(queue: Subject) {
    let publishes = publish(&queue, [settled("a")]);
    let mut deliveries = subscribe(&queue, 1).await;
    take(&mut deliveries).await.dead_letter("unknown generation").await;
    timeout(HANG, publishes.join_all()).await.expect("dead letters need not be kept elsewhere");
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].attempts), (1, 1));
    assert_eq!(letters[0].reason, "unknown generation");
    queue.assert_nothing_comes(&mut deliveries).await;
}

pub(crate) async fn r39_a_replayed_message_is_delivered_anew_and_only_where_it_failed(queue: Subject) {
    let message = settled("a");
    let publishes = publish(&queue, [message.clone()]);
    let mut deliveries = subscribe(&queue, 1).await;
    drop(take(&mut deliveries).await);
    take(&mut deliveries).await.dead_letter("a fault of ours").await;
    timeout(HANG, publishes.join_all()).await.expect("dead letters need not be kept elsewhere");
    let letters = queue.dead_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].attempts), (1, 2));
    assert!(letters[0].given_up_at.is_some());
    let selection = Selection::Message(message.id);
    assert_eq!(queue.replay(&selection).await.unwrap(), letters);
    assert_eq!(queue.dead_letters().await.unwrap(), []);
    let delivery = take(&mut deliveries).await;
    assert_eq!((delivery.attempt(), delivery.message()), (1, &message));
    delivery.ack().await;
    assert_eq!(queue.replay(&selection).await.unwrap(), [], "a second time there is nothing to replay");
    queue.assert_nothing_comes(&mut deliveries).await;
}

pub(crate) async fn r39_only_what_was_meant_is_replayed_or_forgotten(queue: Subject) {
    let messages = ["a", "b", "c"].map(settled);
    let finished = Message::of(&GenerationFinished::default());
    let publishes = publish(&queue, messages.iter().cloned().chain([finished.clone()]));
    let mut deliveries = subscribe(&queue, 1).await;
    for _ in &messages {
        take(&mut deliveries).await.dead_letter("a fault of ours").await;
    }
    let other = Subscription::queue(GENERATION_FINISHED, 1);
    let mut others = queue.consume(other).await.unwrap();
    take(&mut others).await.dead_letter("a fault of ours").await;
    timeout(HANG, publishes.join_all()).await.expect("dead letters need not be kept elsewhere");
    let ids = |letters: Vec<DeadLetter>| {
        letters.into_iter().map(|letter| letter.message.id).collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<_> = messages.iter().chain([&finished]).map(|message| message.id).collect();
    assert_eq!(ids(queue.dead_letters().await.unwrap()), all);

    let forgotten = queue.forget(&Selection::Message(messages[1].id)).await.unwrap();
    assert_eq!(ids(forgotten), BTreeSet::from([messages[1].id]));
    let replayed = queue.replay(&Selection::Queue(GENERATION_SETTLED.to_owned())).await.unwrap();
    assert_eq!(ids(replayed), BTreeSet::from([messages[0].id, messages[2].id]));
    for _ in 0..2 {
        take(&mut deliveries).await.ack().await;
    }
    queue.assert_nothing_comes(&mut others).await;
    assert_eq!(ids(queue.forget(&Selection::All).await.unwrap()), BTreeSet::from([finished.id]));
    assert_eq!(queue.dead_letters().await.unwrap(), []);
}

pub(crate) async fn r39_what_fails_again_is_a_dead_letter_again(queue: Subject) {
    let _publishes = publish(&queue, [settled("a")]);
    let mut deliveries = subscribe(&queue, 1).await;
    for reason in ["first", "second"] {
        take(&mut deliveries).await.dead_letter(reason).await;
        let letters = dead_letters(&queue, &mut deliveries).await;
        assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].attempts), (1, reason, 1));
        assert_eq!(queue.replay(&Selection::All).await.unwrap().len(), 1);
    }
    take(&mut deliveries).await.ack().await;
    assert_eq!(queue.dead_letters().await.unwrap(), []);
}

pub(crate) async fn an_offer_is_confirmed_before_anyone_takes_it(queue: Subject) {
    timeout(HANG, queue.offer("sketch", &ready("a"))).await.unwrap().unwrap();
    let mut deliveries = queue.consume(Subscription::deployment("sketch", 1)).await.unwrap();
    let delivery = take(&mut deliveries).await;
    assert_eq!((offered(&delivery), delivery.attempt()), ("a".to_owned(), 1));
    drop(delivery);
    let delivery = take(&mut deliveries).await;
    assert_eq!((offered(&delivery), delivery.attempt()), ("a".to_owned(), 2));
    delivery.ack().await;
}

pub(crate) async fn an_offer_reaches_its_deployment_only(queue: Subject) {
    let mut other = queue.consume(Subscription::deployment("fal-flux", 1)).await.unwrap();
    let mut own = queue.consume(Subscription::deployment("sketch", 1)).await.unwrap();
    queue.offer("sketch", &ready("a")).await.unwrap();
    assert_eq!(offered(&take(&mut own).await), "a");
    queue.assert_nothing_comes(&mut other).await;
}

pub(crate) async fn an_offer_that_nobody_takes_expires(queue: Subject) {
    queue.offer("sketch", &ready("old")).await.unwrap();
    queue.outlive_offers().await;
    queue.offer("sketch", &ready("new")).await.unwrap();
    let mut deliveries = queue.consume(Subscription::deployment("sketch", 8)).await.unwrap();
    let delivery = take(&mut deliveries).await;
    assert_eq!(offered(&delivery), "new");
    delivery.ack().await;
    queue.assert_nothing_comes(&mut deliveries).await;
}

pub(crate) async fn a_hint_reaches_everyone_who_listens(queue: Subject) {
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(queue.listen::<GenerationChanged>().await.unwrap());
    }
    for version in 1..=10 {
        queue.hint(&GenerationChanged { generation: "a".to_owned(), version, ..Default::default() }).await;
    }
    for listener in &mut listeners {
        for expected in 1..=10 {
            let hint = timeout(HANG, listener.next()).await.expect("a hint was sent").unwrap();
            assert_eq!(hint.version, expected);
        }
    }
}

pub(crate) async fn a_hint_before_the_subscription_is_not_heard(queue: Subject) {
    queue.hint(&GenerationChanged { generation: "a".to_owned(), version: 1, ..Default::default() }).await;
    let mut listener = queue.listen::<GenerationChanged>().await.unwrap();
    assert!(timeout(queue.quiet, listener.next()).await.is_err());
}
