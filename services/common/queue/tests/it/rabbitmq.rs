//! The transport over RabbitMQ: the common properties, and those of a broker that others can change.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{
    Decision, PublishError, Queue, RabbitConfig, Received, relay, run,
    topology::{DELIVERY_LIMIT, OFFERS_PER_DEPLOYMENT},
};
use imagioo_runtime::Shutdown;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    messages::{HANG, dead_letters, name, publish, ready, settled, subscribe, take},
    outbox::Table,
    subject::{Subject, rabbit_config},
};

crate::conformance::properties!(
    #[tokio::test]
    Subject::rabbitmq()
);

#[tokio::test]
async fn nothing_is_lost_or_invented_under_load() {
    crate::total_queue::nothing_is_lost_or_invented_under_load(Subject::rabbitmq()).await;
}

#[tokio::test]
async fn r35_an_event_that_no_queue_is_bound_to_is_given_back_and_its_queue_declared_again() {
    let url = imagioo_testkit::rabbitmq_url();
    let config = rabbit_config(url.clone());
    let queue = Queue::rabbitmq(&config).unwrap();
    queue.publish(settled("a")).await.unwrap();

    let (_operator, channel) = operator(&url).await;
    let bound = format!("{}.billing.generation-settled", config.prefix);
    let exchange = format!("{}.events", config.prefix);
    let key = settled("").name;
    channel
        .queue_unbind(
            bound.as_str().into(),
            exchange.as_str().into(),
            key.as_str().into(),
            FieldTable::default(),
        )
        .await
        .unwrap();

    let given_back = queue.publish(settled("b")).await;
    assert!(matches!(given_back, Err(PublishError::Unroutable { name }) if name == key));
    queue.publish(settled("c")).await.unwrap();
    let mut deliveries = subscribe(&queue, 8).await;
    for expected in ["a", "c"] {
        let delivery = take(&mut deliveries).await;
        assert_eq!(crate::messages::name(&delivery), expected);
        delivery.ack().await;
    }
}

#[tokio::test]
async fn a_full_deployment_refuses_more_offers() {
    let config = RabbitConfig { offer_lifetime_ms: 60_000, ..rabbit_config(imagioo_testkit::rabbitmq_url()) };
    let queue = Queue::rabbitmq(&config).unwrap();
    // The broker looks at the length now and then, so it takes a few more than it should.
    let offer = ready("a");
    let mut offers = stream::iter(0..2 * OFFERS_PER_DEPLOYMENT)
        .map(|_| queue.offer("sketch", &offer))
        .buffer_unordered(64)
        .boxed();
    let mut accepted = 0;
    let refused = loop {
        match timeout(HANG, offers.next()).await.expect("the broker answers").expect("it is full some day") {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(accepted >= OFFERS_PER_DEPLOYMENT - 64, "{accepted}");
    assert!(matches!(refused, PublishError::Full { queue } if queue == "deployment.sketch"));
}

#[tokio::test]
async fn a_wrong_password_is_no_panic_and_no_hang() {
    let url = imagioo_testkit::rabbitmq_url().replacen("imagioo:", "nobody:", 1);
    let queue = Queue::rabbitmq(&rabbit_config(url)).unwrap();
    let refused = queue.publish(settled("a")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable { .. })), "{refused:?}");
    assert!(queue.dead_letters().await.is_err());
}

/// Somebody who changes the broker's queues beside us.
async fn operator(url: &str) -> (Connection, Channel) {
    let operator = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = operator.create_channel().await.unwrap();
    (operator, channel)
}

#[tokio::test]
async fn r36_a_broker_that_says_no_leaves_the_row_until_it_says_yes() {
    let url = imagioo_testkit::rabbitmq_url();
    let config = rabbit_config(url.clone());
    let queue = Queue::rabbitmq(&config).unwrap();
    let mut deliveries = subscribe(&queue, 8).await;
    queue.publish(settled("first")).await.unwrap();
    take(&mut deliveries).await.ack().await;

    // Another queue of the same events, which takes one message and refuses the next.
    let (_operator, channel) = operator(&url).await;
    let (full, exchange) = (format!("{}.full", config.prefix), format!("{}.events", config.prefix));
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions::default();
    channel.queue_declare(full.as_str().into(), options, arguments).await.unwrap();
    let key = settled("").name;
    let bind = FieldTable::default();
    channel
        .queue_bind(
            full.as_str().into(),
            exchange.as_str().into(),
            key.as_str().into(),
            Default::default(),
            bind,
        )
        .await
        .unwrap();
    queue.publish(settled("fills it")).await.unwrap();
    take(&mut deliveries).await.ack().await;
    let refused = timeout(HANG, queue.publish(settled("too many"))).await.expect("an answer");
    assert!(refused.is_err(), "one of its queues has not taken it");

    let table = Table::of([settled("kept")]).claimed_for(Duration::from_millis(100));
    let (shutdown, wake) = (Shutdown::new(HANG), Arc::new(Notify::new()));
    shutdown.spawn("relay", relay(table.clone(), queue.clone(), Arc::clone(&wake), shutdown.clone()));
    // It was sent, since the other queue has it, and refused, since this one has not.
    while name(&take(&mut deliveries).await) != "kept" {}
    assert_eq!(table.len(), 1, "a no is no confirm");
    channel.queue_delete(full.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let forgotten = async {
        while table.len() > 0 {
            wake.notify_one();
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANG, forgotten).await.expect("published and forgotten once there is room");
    shutdown.request();
    shutdown.drained().await;
}

#[tokio::test]
async fn r38_a_handler_that_panics_costs_its_message_and_none_of_seven_neighbours() {
    let queue = Queue::rabbitmq(&rabbit_config(imagioo_testkit::rabbitmq_url())).unwrap();
    let names = ["poison", "a", "b", "c", "d", "e", "f", "g"];
    let publishes = publish(&queue, names.map(settled));
    // The first deliveries go to handlers, all eight of them at once; and so does the last one.
    let seen = handle(&queue, 3).await;
    timeout(HANG, publishes.join_all()).await.expect("published");
    let neighbours: Vec<_> = seen.iter().filter(|(name, _)| name != "poison").cloned().collect();
    assert_eq!(neighbours.len(), 7, "{seen:?}");
    assert!(neighbours.iter().all(|(_, attempt)| *attempt == 1), "none was delivered twice: {seen:?}");
    let mut deliveries = subscribe(&queue, 8).await;
    loop {
        let delivery = take(&mut deliveries).await;
        assert_eq!(name(&delivery), "poison");
        let attempt = delivery.attempt();
        delivery.retry(Duration::ZERO).await;
        if attempt + 1 == DELIVERY_LIMIT {
            break;
        }
    }
    drop(deliveries);
    handle(&queue, DELIVERY_LIMIT).await;
    let letters = dead_letters(&queue, &mut subscribe(&queue, 8).await).await;
    assert_eq!((letters.len(), letters[0].attempts), (1, DELIVERY_LIMIT));
    assert_eq!(letters[0].reason, "given up after 20 deliveries: the handler panicked");
}

/// What a handler that cannot stand `poison` is given, up to that message's delivery of this number.
async fn handle(queue: &Queue, last: u32) -> Vec<(String, u32)> {
    let (seen, enough) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let (noted, told) = (Arc::clone(&seen), Arc::clone(&enough));
    let shutdown = Shutdown::new(HANG);
    let handler = move |received: Received<GenerationSettled>| {
        let (noted, told) = (Arc::clone(&noted), Arc::clone(&told));
        async move {
            let name = received.payload.generation;
            noted.lock().unwrap().push((name.clone(), received.attempt));
            if name == "poison" && received.attempt == last {
                told.notify_one();
            }
            assert_ne!(name, "poison", "the handler cannot stand this one");
            Decision::Done
        }
    };
    shutdown.spawn("consumer", run(subscribe(queue, 8).await, 8, shutdown.clone(), handler));
    timeout(HANG, enough.notified()).await.expect("it comes so often");
    shutdown.request();
    shutdown.drained().await;
    seen.lock().unwrap().clone()
}
