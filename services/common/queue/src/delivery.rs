//! What a consumer holds: one message, which it must answer.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Span;

use crate::{
    error::DecodeError,
    in_process, instruments,
    message::{Message, Payload},
    rabbitmq, trace,
};

/// The messages of one subscription.
pub struct Deliveries {
    source: Source,
}

enum Source {
    InProcess(in_process::Consumer),
    RabbitMq(Box<rabbitmq::Consumer>),
}

impl Deliveries {
    pub(crate) fn in_process(consumer: in_process::Consumer) -> Self {
        Self { source: Source::InProcess(consumer) }
    }

    pub(crate) fn rabbitmq(consumer: rabbitmq::Consumer) -> Self {
        Self { source: Source::RabbitMq(Box::new(consumer)) }
    }

    /// Waits for the next message; nothing when the subscription has ended. Waits, too, while as many
    /// deliveries as the prefetch allows are unanswered. Safe to cancel: no message is lost by dropping the
    /// call.
    pub async fn next(&mut self) -> Option<Delivery> {
        match &mut self.source {
            Source::InProcess(consumer) => Some(consumer.next().await),
            Source::RabbitMq(consumer) => Some(consumer.next().await),
        }
    }
}

/// One message in a consumer's hands. Dropping it unanswered (a crash, a panic) returns it to its queue with
/// a higher attempt.
pub struct Delivery {
    message: Arc<Message>,
    queue: Arc<str>,
    attempt: u32,
    span: Span,
    taken: Instant,
    receipt: Option<Receipt>,
}

/// The transport's side of an unanswered delivery; dropping it returns the message.
pub(crate) enum Receipt {
    InProcess(in_process::Receipt),
    RabbitMq(rabbitmq::Receipt),
}

/// A message as its transport hands it over.
pub(crate) struct Handover {
    pub(crate) message: Arc<Message>,
    pub(crate) queue: Arc<str>,
    pub(crate) attempt: u32,
    /// `traceparent` of the delivery before, on a redelivery.
    pub(crate) previous: Option<String>,
}

impl Delivery {
    /// Opens the consumer's span, then ties it to the transport's receipt.
    pub(crate) fn new(handover: Handover, receipt: impl FnOnce(&Span) -> Receipt) -> Self {
        let Handover { message, queue, attempt, previous } = handover;
        let span = tracing::info_span!(
            "consume",
            otel.name = format!("{queue} process"),
            otel.kind = "consumer",
            queue = %queue,
            message = %message.name,
            message_id = %message.id,
            attempt,
        );
        trace::connect(&span, message.trace.as_deref(), previous.as_deref());
        instruments::delivered(&queue, attempt);
        let receipt = Some(receipt(&span));
        Self { message, queue, attempt, span, taken: Instant::now(), receipt }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message's body.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not a `P`: answer with [`Self::dead_letter`].
    pub fn decode<P: Payload>(&self) -> Result<P, DecodeError> {
        self.message.decode()
    }

    /// How often this message was handed out from this queue, this time included: 1 for the first.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The span of this delivery, a child of the producer's; run the work inside it.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The work is done, durably: forget the message.
    pub async fn ack(mut self) {
        match self.settle("acked") {
            Some(Receipt::InProcess(receipt)) => receipt.ack(),
            Some(Receipt::RabbitMq(receipt)) => receipt.ack().await,
            None => {}
        }
    }

    /// Deliver again, not before `after` has passed. The last allowed delivery becomes a dead letter instead.
    pub async fn retry(self, after: Duration) {
        self.retry_because(after, "the consumer asked for a retry").await;
    }

    /// As [`Self::retry`]; `reason` is what the dead letter will say.
    pub(crate) async fn retry_because(mut self, after: Duration, reason: &str) {
        match self.settle("retried") {
            Some(Receipt::InProcess(receipt)) => receipt.retry(after, reason),
            Some(Receipt::RabbitMq(receipt)) => receipt.retry(after, reason).await,
            None => {}
        }
    }

    /// Repeating cannot help: set the message aside for a person. `reason` is shown to operators and must not
    /// carry what a user wrote.
    pub async fn dead_letter(mut self, reason: &str) {
        match self.settle("dead_lettered") {
            Some(Receipt::InProcess(receipt)) => receipt.dead_letter(reason),
            Some(Receipt::RabbitMq(receipt)) => receipt.dead_letter(reason).await,
            None => {}
        }
    }

    fn settle(&mut self, outcome: &'static str) -> Option<Receipt> {
        let receipt = self.receipt.take();
        if receipt.is_some() {
            instruments::handled(&self.queue, outcome, self.taken.elapsed());
        }
        receipt
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        drop(self.settle("dropped"));
    }
}
