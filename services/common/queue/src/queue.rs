//! The one type that services hold: publish, offer, hint, consume, listen.

use std::{path::Path, sync::Arc};

use futures::stream::BoxStream;
use imagioo_proto::jobs::v1::GenerationReady;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    dead_letter::{DeadLetter, Selection},
    delivery::Deliveries,
    error::{PublishError, QueueError},
    in_process::InProcess,
    instruments,
    message::{Hint, Message},
    rabbitmq::{Rabbit, RabbitConfig},
    topology, trace,
};

/// A connection to the queues of the topology. Clones share it.
#[derive(Clone)]
pub struct Queue {
    transport: Transport,
}

/// How messages move. Every variant keeps the promises of the crate's first page.
#[derive(Clone)]
enum Transport {
    InProcess(Arc<InProcess>),
    RabbitMq(Arc<Rabbit>),
}

/// What a consumer takes messages from, and how many it may hold unanswered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) source: Source,
    pub(crate) prefetch: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Queue(String),
    Deployment(String),
}

impl Subscription {
    /// Events of one queue of the [topology](crate::topology).
    #[must_use]
    pub fn queue(name: &str, prefetch: u16) -> Self {
        Self { source: Source::Queue(name.to_owned()), prefetch }
    }

    /// Offers to one deployment.
    #[must_use]
    pub fn deployment(name: &str, prefetch: u16) -> Self {
        Self { source: Source::Deployment(name.to_owned()), prefetch }
    }

    /// Whether any transport can serve this.
    pub(crate) fn check(&self) -> Result<(), QueueError> {
        match &self.source {
            _ if self.prefetch == 0 => Err(QueueError::NoPrefetch),
            Source::Queue(name) if !topology::is_event_queue(name) => {
                Err(QueueError::UnknownQueue { name: name.clone() })
            }
            Source::Queue(_) | Source::Deployment(_) => Ok(()),
        }
    }
}

impl Queue {
    /// Queues in the memory of this process, durable through the producer's outbox: a publish is confirmed
    /// only when every bound queue's consumer has acknowledged (or the message became a dead letter), so what
    /// was not worked off is still in the outbox after a crash.
    #[must_use]
    pub fn in_process() -> Self {
        instruments::describe();
        Self { transport: Transport::InProcess(Arc::new(InProcess::new())) }
    }

    /// Queues on a broker, which is responsible for what it has confirmed. The broker may be away, now and
    /// later: publishes fail until it is there, consumers and listeners go on by themselves. Tasks of the
    /// connections run on the runtime of the first use.
    ///
    /// # Errors
    /// [`QueueError::Config`] for an address or a limit that makes no sense.
    pub fn rabbitmq(config: &RabbitConfig) -> Result<Self, QueueError> {
        instruments::describe();
        Ok(Self { transport: Transport::RabbitMq(Arc::new(Rabbit::new(config)?)) })
    }

    /// Publishes an event to every queue bound to it and waits for the confirm. In the in-process form that
    /// wait lasts until the consumers are done, also while no consumer is attached yet.
    ///
    /// # Errors
    /// [`PublishError`]: nobody is responsible for the message; keep it and publish it again. Dropping the
    /// call is the same as an error.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        sent(message, async |message| match &self.transport {
            Transport::InProcess(transport) => transport.publish(message).await,
            Transport::RabbitMq(transport) => transport.publish(message).await,
        })
        .await
    }

    /// Tells the workers of a deployment that a generation waits. Confirmed as soon as it is queued; dropped
    /// when nobody has taken it within [`OFFER_LIFETIME`](crate::topology::OFFER_LIFETIME).
    ///
    /// # Errors
    /// [`PublishError`]: nobody will hear of it; offer again later.
    pub async fn offer(&self, deployment: &str, ready: &GenerationReady) -> Result<(), PublishError> {
        sent(Message::encode(ready), async |message| match &self.transport {
            Transport::InProcess(transport) => transport.offer(deployment, message),
            Transport::RabbitMq(transport) => transport.offer(deployment, message).await,
        })
        .await
    }

    /// Sends a hint to everyone who listens now. Never fails: a hint may be lost.
    pub async fn hint<H: Hint>(&self, hint: &H) {
        match &self.transport {
            Transport::InProcess(transport) => transport.hint(hint),
            Transport::RabbitMq(transport) => transport.hint(hint).await,
        }
    }

    /// Takes messages of one queue or deployment. Several consumers of one queue share its messages.
    ///
    /// # Errors
    /// [`QueueError`] for a queue that the topology does not have and for a prefetch of zero.
    pub async fn consume(&self, subscription: Subscription) -> Result<Deliveries, QueueError> {
        match &self.transport {
            Transport::InProcess(transport) => transport.consume(&subscription).map(Deliveries::in_process),
            Transport::RabbitMq(transport) => {
                transport.consume(&subscription).await.map(Deliveries::rabbitmq)
            }
        }
    }

    /// Every hint of one type from now on. A listener that falls behind skips the oldest.
    ///
    /// # Errors
    /// [`QueueError`] if the transport cannot subscribe.
    pub async fn listen<H: Hint>(&self) -> Result<BoxStream<'static, H>, QueueError> {
        match &self.transport {
            Transport::InProcess(transport) => Ok(transport.listen()),
            Transport::RabbitMq(transport) => Ok(transport.listen().await),
        }
    }

    /// As [`Self::in_process`]; messages that are given up are files in `folder`, and outlive the process.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] when the folder cannot be used, or holds what is no dead letter.
    pub fn in_process_at(folder: &Path) -> Result<Self, QueueError> {
        instruments::describe();
        Ok(Self { transport: Transport::InProcess(Arc::new(InProcess::at(folder)?)) })
    }

    /// Messages that were given up, oldest first. Whoever looks at the same time may find some missing.
    ///
    /// # Errors
    /// [`QueueError`] if the transport cannot list them.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, QueueError> {
        match &self.transport {
            Transport::InProcess(transport) => Ok(transport.dead_letters()),
            Transport::RabbitMq(transport) => transport.dead_letters().await,
        }
    }

    /// Puts messages that were given up back into the queue they came from, as if they had never been delivered;
    /// answers which. Each is confirmed there before it is forgotten here: a crash in between leaves it twice.
    ///
    /// # Errors
    /// [`QueueError`] for a queue that is no more and when the transport does not take a message; what was not put
    /// back stays a dead letter.
    pub async fn replay(&self, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
        match &self.transport {
            Transport::InProcess(transport) => Ok(transport.replay(selection)),
            Transport::RabbitMq(transport) => transport.replay(selection).await,
        }
    }

    /// Forgets messages that were given up, for good; answers which.
    ///
    /// # Errors
    /// [`QueueError`] if the transport does not answer.
    pub async fn forget(&self, selection: &Selection) -> Result<Vec<DeadLetter>, QueueError> {
        match &self.transport {
            Transport::InProcess(transport) => Ok(transport.forget(selection)),
            Transport::RabbitMq(transport) => transport.forget(selection).await,
        }
    }
}

/// Sends inside the producer's span, and notes how long the confirm took.
async fn sent(
    mut message: Message,
    send: impl AsyncFnOnce(Message) -> Result<(), PublishError>,
) -> Result<(), PublishError> {
    let (name, started) = (message.name.clone(), Instant::now());
    let span = trace::produce(&mut message);
    let result = send(message).instrument(span).await;
    let outcome = if result.is_ok() { "confirmed" } else { "failed" };
    instruments::published(&name, outcome, started.elapsed());
    result
}
