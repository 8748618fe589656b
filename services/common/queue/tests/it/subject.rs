//! A queue under test, and how long its transport takes for what the properties wait for.

use std::{ops::Deref, time::Duration};

use imagioo_queue::{Deliveries, Queue, RabbitConfig, topology::OFFER_LIFETIME};
use tokio::time::{advance, timeout};
use uuid::Uuid;

use crate::messages::{SOON, assert_nothing_comes_within};

/// Of offers on RabbitMQ in tests: longer than it takes to subscribe, short enough to wait for.
const SHORT_LIFETIME: Duration = Duration::from_secs(4);

pub(crate) struct Subject {
    queue: Queue,
    /// What has not come by then does not come.
    pub(crate) quiet: Duration,
    /// Time is real, and offers live this long.
    real: Option<Duration>,
}

impl Subject {
    /// For tests in paused time.
    pub(crate) fn in_process() -> Self {
        Self { queue: Queue::in_process(), quiet: SOON, real: None }
    }

    /// On the broker that all tests share, under a prefix of its own.
    pub(crate) fn rabbitmq() -> Self {
        let config = rabbit_config(imagioo_testkit::rabbitmq_url());
        let real = Some(Duration::from_millis(config.offer_lifetime_ms));
        Self { queue: Queue::rabbitmq(&config).unwrap(), quiet: Duration::from_millis(500), real }
    }

    pub(crate) async fn assert_nothing_comes(&self, deliveries: &mut Deliveries) {
        assert_nothing_comes_within(self.quiet, deliveries).await;
    }

    /// Lets so much time pass that an offer made before is gone.
    pub(crate) async fn outlive_offers(&self) {
        match self.real {
            None => advance(OFFER_LIFETIME).await,
            Some(lifetime) => {
                let never = std::future::pending::<()>();
                assert!(timeout(lifetime + self.quiet, never).await.is_err());
            }
        }
    }
}

impl Deref for Subject {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

/// Names that no other test has, on queues that go away by themselves.
pub(crate) fn rabbit_config(url: String) -> RabbitConfig {
    RabbitConfig {
        prefix: format!("test-{}", Uuid::now_v7().simple()),
        offer_lifetime_ms: SHORT_LIFETIME.as_millis() as u64,
        idle_expiry_ms: Some(120_000),
        ..RabbitConfig::at(url.into())
    }
}
