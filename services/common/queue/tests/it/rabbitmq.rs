//! The transport over RabbitMQ: the common properties, and those of a broker that others can change.

use futures::{StreamExt as _, stream};
use imagioo_queue::{PublishError, Queue, RabbitConfig, topology::OFFERS_PER_DEPLOYMENT};
use lapin::{Connection, ConnectionProperties, types::FieldTable};
use tokio::time::timeout;

use crate::{
    messages::{HANG, ready, settled, subscribe, take},
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

    let operator = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = operator.create_channel().await.unwrap();
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
