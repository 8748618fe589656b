//! The transport over RabbitMQ: quorum queues, confirms, and connections that come back by themselves.
//!
//! `topology` says what is on the broker and why. Publishing and consuming have a connection each: a broker
//! that runs out of memory blocks connections that publish, and acknowledgements must get through to free it.

mod config;
mod consumer;
mod dead_letters;
mod envelope;
mod link;
mod listener;
mod publisher;
mod topology;

use std::{sync::Arc, time::Duration};

use futures::stream::BoxStream;
use tokio::{sync::Mutex, time::timeout};

pub use config::RabbitConfig;
pub(crate) use consumer::{Consumer, Receipt};
use link::Link;
use publisher::{Publisher, Refusal};
use topology::{Consumed, Target, Topology};

use crate::{
    dead_letter::{DeadLetter, Selection},
    error::{PublishError, QueueError},
    message::{Hint, Message},
    queue::{Source, Subscription},
    topology::deployment_queue,
};

/// How long a hint may hold up its sender.
const HINT_WITHIN: Duration = Duration::from_secs(1);
/// Brokers take names of up to 255 bytes; the prefix has up to 100 of them.
const LONGEST_NAME: usize = 128;

pub(crate) struct Rabbit {
    publisher: Publisher,
    consuming: Link,
    /// Who looks at the dead letters holds them all.
    looking: Mutex<()>,
}

impl Rabbit {
    /// Connects when something is first sent or subscribed to.
    pub(crate) fn new(config: &RabbitConfig) -> Result<Self, QueueError> {
        let address = config.address()?;
        let link = |purpose: &str| Link::new(address.clone(), format!("{} {purpose}", config.prefix));
        Ok(Self {
            publisher: Publisher::new(link("publishing"), config),
            consuming: link("consuming"),
            looking: Mutex::default(),
        })
    }

    const fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    const fn consuming(&self) -> &Link {
        &self.consuming
    }

    const fn topology(&self) -> &Topology {
        self.publisher.topology()
    }

    pub(crate) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        if message.name.len() > LONGEST_NAME {
            return Err(PublishError::Unroutable { name: message.name });
        }
        let target = Target::Event(message.name.clone());
        let published = self.publisher.publish(&target, envelope::first(&message), &message.body).await;
        published.map_err(|refusal| match refusal {
            Refusal::Unroutable => PublishError::Unroutable { name: message.name },
            other => not_published(message.name, other),
        })
    }

    pub(crate) async fn offer(&self, deployment: &str, message: Message) -> Result<(), PublishError> {
        if deployment.len() > LONGEST_NAME {
            return Err(PublishError::Unroutable { name: message.name });
        }
        let target = Target::Deployment(deployment.to_owned());
        let published = self.publisher.publish(&target, envelope::first(&message), &message.body).await;
        published.map_err(|refusal| match refusal {
            Refusal::Unroutable => PublishError::Unroutable { name: message.name },
            Refusal::Refused => PublishError::Full { queue: deployment_queue(deployment) },
            other => not_published(message.name, other),
        })
    }

    pub(crate) async fn hint<H: Hint>(&self, hint: &H) {
        let body = hint.encode_to_vec();
        let sent = timeout(HINT_WITHIN, self.publisher.hint(H::NAME, &body)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(hint = H::NAME, "hint lost");
        }
    }

    pub(crate) async fn consume(
        self: &Arc<Self>,
        subscription: &Subscription,
    ) -> Result<Consumer, QueueError> {
        subscription.check()?;
        let queue = match &subscription.source {
            Source::Queue(name) => Consumed::Events(name.clone()),
            Source::Deployment(name) if name.len() > LONGEST_NAME => {
                return Err(QueueError::UnknownQueue { name: name.clone() });
            }
            Source::Deployment(name) => Consumed::Deployment(name.clone()),
        };
        Ok(Consumer::new(Arc::clone(self), queue, subscription.prefetch).await)
    }

    pub(crate) async fn listen<H: Hint>(self: &Arc<Self>) -> BoxStream<'static, H> {
        listener::listen(Arc::clone(self)).await
    }

    pub(crate) async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let _alone = self.looking.lock().await;
        dead_letters::list(self).await
    }

    pub(crate) async fn replay(&self, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
        let _alone = self.looking.lock().await;
        dead_letters::replay(self, selection).await
    }

    pub(crate) async fn forget(&self, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
        let _alone = self.looking.lock().await;
        dead_letters::forget(self, selection).await
    }
}

fn not_published(name: String, refusal: Refusal) -> PublishError {
    match refusal {
        Refusal::Unavailable(_) | Refusal::Blocked => {
            PublishError::Unavailable { name, source: Box::new(refusal) }
        }
        _ => PublishError::Unconfirmed { name },
    }
}
