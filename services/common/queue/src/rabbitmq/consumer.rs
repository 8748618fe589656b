//! A consumer that subscribes again whenever it is cut off, and the receipts of what it holds.

use std::{error::Error, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use imagioo_types::{Clock as _, SystemClock};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions},
    types::FieldTable,
};
use tokio::time::{sleep, timeout};
use tracing::Span;

use super::{
    Rabbit, envelope,
    link::{LinkError, Patience},
    topology::{Consumed, Target, delay_class},
};
use crate::{
    dead_letter::DeadLetter,
    delivery::{self, Delivery, Handover},
    topology::DELIVERY_LIMIT,
    trace,
};

/// A message whose next step cannot be published is held this long before it goes back to its queue: without
/// the pause it would circle as fast as the broker can.
const HOLD: Duration = Duration::from_secs(1);
/// A quorum queue without a leader answers after 65 s, and then with an error that ends the connection.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Consumer {
    rabbit: Arc<Rabbit>,
    queue: Consumed,
    prefetch: u16,
    name: Arc<str>,
    state: State,
}

/// A half-done subscription is kept here, so that dropping a call to `next` does not start it over.
enum State {
    Subscribing(BoxFuture<'static, Box<Subscribed>>),
    Subscribed(Box<Subscribed>),
}

struct Subscribed {
    stream: lapin::Consumer,
    /// Receipts keep it open, too: closing it returns what is unanswered.
    channel: Channel,
}

impl Consumer {
    /// Subscribes, or goes on trying in `next` if the broker is away.
    pub(super) async fn new(rabbit: Arc<Rabbit>, queue: Consumed, prefetch: u16) -> Self {
        let (_, short) = rabbit.topology().names(&queue);
        let state = match subscribe(&rabbit, &queue, prefetch).await {
            Ok(subscribed) => State::Subscribed(subscribed),
            Err(_) => State::Subscribing(resubscribe(Arc::clone(&rabbit), queue.clone(), prefetch).boxed()),
        };
        Self { rabbit, queue, prefetch, name: short.into(), state }
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        loop {
            match &mut self.state {
                State::Subscribing(subscribing) => self.state = State::Subscribed(subscribing.await),
                State::Subscribed(subscribed) => match subscribed.stream.next().await {
                    // Sent ahead before the channel went: it comes again on the next one, or has gone to others.
                    Some(Ok(_)) if !subscribed.channel.status().connected() => {}
                    Some(Ok(delivery)) => {
                        let channel = subscribed.channel.clone();
                        if let Some(delivery) = hand_over(&self.rabbit, &self.name, (delivery, channel)).await
                        {
                            return delivery;
                        }
                    }
                    ended => self.lost(ended.and_then(Result::err)),
                },
            }
        }
    }

    fn lost(&mut self, error: Option<lapin::Error>) {
        let cause = error.as_ref().map(|error| error as &(dyn Error + 'static));
        tracing::warn!(queue = %self.name, error = cause, "subscription lost, subscribing again");
        let again = resubscribe(Arc::clone(&self.rabbit), self.queue.clone(), self.prefetch);
        self.state = State::Subscribing(again.boxed());
    }
}

/// What was sent ahead and not handed out goes back at once, not when the last receipt is answered.
impl Drop for Consumer {
    fn drop(&mut self) {
        if let State::Subscribed(subscribed) = &mut self.state {
            while let Some(Some(Ok(delivery))) = subscribed.stream.next().now_or_never() {
                reject(&delivery.acker);
            }
        }
    }
}

async fn subscribe(rabbit: &Rabbit, queue: &Consumed, prefetch: u16) -> Result<Box<Subscribed>, LinkError> {
    timeout(SUBSCRIBE_WITHIN, ask(rabbit, queue, prefetch)).await.map_err(|_| LinkError::Late)?
}

async fn ask(rabbit: &Rabbit, queue: &Consumed, prefetch: u16) -> Result<Box<Subscribed>, LinkError> {
    let channel = rabbit.consuming().channel().await?;
    rabbit.topology().declare_consumed(&channel, queue).await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let (name, _) = rabbit.topology().names(queue);
    let options = BasicConsumeOptions::default();
    let stream =
        channel.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await?;
    Ok(Box::new(Subscribed { stream, channel }))
}

async fn resubscribe(rabbit: Arc<Rabbit>, queue: Consumed, prefetch: u16) -> Box<Subscribed> {
    let (_, name) = rabbit.topology().names(&queue);
    let mut patience = Patience::default();
    loop {
        match subscribe(&rabbit, &queue, prefetch).await {
            Ok(subscribed) => return subscribed,
            Err(error) => patience.wait(&name, error).await,
        }
    }
}

/// Nothing if the message had its chances: then it is a dead letter.
async fn hand_over(
    rabbit: &Arc<Rabbit>,
    queue: &Arc<str>,
    (mut taken, channel): (lapin::message::Delivery, Channel),
) -> Option<Delivery> {
    let handover = envelope::open(&mut taken, queue);
    let parts = Parts { rabbit: Arc::clone(rabbit), acker: taken.acker, channel };
    let receipt =
        |attempt| Receipt { parts: Some(parts), handover: copy(&handover, attempt), span: Span::none() };
    if handover.attempt > DELIVERY_LIMIT {
        let reason =
            format!("given up after {DELIVERY_LIMIT} deliveries: the consumer went away without an answer");
        receipt(DELIVERY_LIMIT).dead_letter(&reason).await;
        return None;
    }
    let mut receipt = receipt(handover.attempt);
    Some(Delivery::new(handover, |span| {
        receipt.span = span.clone();
        delivery::Receipt::RabbitMq(receipt)
    }))
}

fn copy(handover: &Handover, attempt: u32) -> Handover {
    Handover {
        message: Arc::clone(&handover.message),
        queue: Arc::clone(&handover.queue),
        attempt,
        previous: None,
    }
}

/// The broker's side of an unanswered delivery. Dropping it returns the message with one more delivery on its
/// count: by `basic.reject`, which counts in every version, where `basic.nack` no longer does.
pub(crate) struct Receipt {
    parts: Option<Parts>,
    handover: Handover,
    span: Span,
}

struct Parts {
    rabbit: Arc<Rabbit>,
    acker: Acker,
    channel: Channel,
}

impl Receipt {
    pub(crate) async fn ack(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.ack().await;
        }
    }

    /// Publishes the next delivery to a delay queue, then acknowledges this one; a crash between the two
    /// delivers twice, never not at all. Without its channel there is nothing to do: the broker has returned it.
    pub(crate) async fn retry(mut self, after: Duration, reason: &str) {
        if self.handover.attempt >= DELIVERY_LIMIT {
            let reason = format!("given up after {} deliveries: {reason}", self.handover.attempt);
            return self.dead_letter(&reason).await;
        }
        let Some(parts) = self.parts.as_ref().filter(|parts| parts.held()) else { return };
        let queue = parts.rabbit.topology().queue(&self.handover.queue);
        let target = Target::Delayed { queue, class: delay_class(after) };
        let previous = trace::of(&self.span);
        let message = &self.handover.message;
        let properties = envelope::again(message, self.handover.attempt, previous.as_deref());
        let published = parts.rabbit.publisher().publish(&target, properties, &message.body).await;
        self.move_on("retry", published).await;
    }

    /// As [`Self::retry`], to the dead letters.
    pub(crate) async fn dead_letter(mut self, reason: &str) {
        let Some(parts) = self.parts.as_ref().filter(|parts| parts.held()) else { return };
        let letter = DeadLetter {
            queue: self.handover.queue.to_string(),
            message: self.handover.message.as_ref().clone(),
            attempts: self.handover.attempt,
            reason: reason.to_owned(),
            given_up_at: Some(SystemClock.now()),
        };
        let properties = envelope::dead(&letter);
        let body = letter.message.body.clone();
        let published = parts.rabbit.publisher().publish(&Target::DeadLetters, properties, &body).await;
        if published.is_ok() {
            letter.report();
        }
        self.move_on("dead letter", published).await;
    }

    async fn move_on(&mut self, step: &'static str, published: Result<(), super::publisher::Refusal>) {
        match published {
            Ok(()) => {
                if let Some(parts) = self.parts.take() {
                    parts.ack().await;
                }
            }
            Err(error) => {
                let queue = &*self.handover.queue;
                tracing::warn!(queue, step, error = &error as &dyn Error, "not published, returning it");
                // Dropped afterwards, which returns it.
                sleep(HOLD).await;
            }
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            reject(&parts.acker);
        }
    }
}

impl Parts {
    /// Whether it is still ours. The broker takes it away with the channel, after a loss of the connection or when it
    /// was unanswered for longer than the broker's `consumer_timeout`.
    fn held(&self) -> bool {
        self.channel.status().connected()
    }

    /// A lost acknowledgement is a second delivery, which every consumer expects.
    async fn ack(&self) {
        if let Err(error) = self.acker.ack(BasicAckOptions::default()).await {
            tracing::debug!(error = &error as &dyn Error, "acknowledgement lost");
        }
    }
}

/// The first poll sends it; there is no answer to wait for. On a channel that is gone the broker has returned
/// the message already.
fn reject(acker: &Acker) {
    drop(acker.reject(BasicRejectOptions { requeue: true }).now_or_never());
}
