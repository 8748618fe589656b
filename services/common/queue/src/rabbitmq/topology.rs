//! The exchanges and queues on a broker, each property with its reason. Everything is declared by whoever uses
//! it first; to declare again what is there changes nothing.

use std::time::Duration;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::config::RabbitConfig;
use crate::topology::{
    DELIVERY_LIMIT, OFFERS_PER_DEPLOYMENT, deployment_of, deployment_queue, is_event_queue, queues_of,
};

/// The shortest wait of a retry; each further delay queue waits twice as long as the one before.
const SHORTEST_DELAY: Duration = Duration::from_millis(250);
/// Longer delays are cut to this one: what has to wait for days belongs in a table.
const LONGEST_DELAY: Duration = Duration::from_hours(24);
/// More returns than a dead letter ever sees. From 4.0 on a queue without a limit of its own has one of 20,
/// and looking at a dead letter is a return.
const NO_DELIVERY_LIMIT: i64 = i32::MAX as i64;

/// The names on one broker. The prefix keeps installations (and tests) apart that share a virtual host.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    prefix: String,
    offer_lifetime: Duration,
    idle_expiry: Option<Duration>,
}

/// What a message is published to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Every queue bound to events of this name.
    Event(String),
    /// The queue of a deployment.
    Deployment(String),
    /// A full queue name, after a delay of this class.
    Delayed { queue: String, class: Duration },
    /// One queue of the topology, by its short name; for a message that was there before.
    Queue(Consumed),
    /// The dead letters.
    DeadLetters,
}

/// A queue that is consumed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Consumed {
    Events(String),
    Deployment(String),
}

impl Consumed {
    /// The queue with this short name, if the topology has it.
    pub(super) fn named(queue: &str) -> Option<Self> {
        if is_event_queue(queue) {
            return Some(Self::Events(queue.to_owned()));
        }
        deployment_of(queue).map(|deployment| Self::Deployment(deployment.to_owned()))
    }
}

impl Topology {
    pub(super) fn new(config: &RabbitConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            offer_lifetime: config.offer_lifetime(),
            idle_expiry: config.idle_expiry(),
        }
    }

    /// The full name of a queue.
    pub(super) fn queue(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// The name of a queue without this installation's prefix.
    pub(super) fn short(&self, queue: &str) -> String {
        let short = queue.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('.'));
        short.unwrap_or(queue).to_owned()
    }

    pub(super) fn dead_letters(&self) -> String {
        self.queue("dead-letters")
    }

    /// One exchange for each kind of hint, so that nobody receives what they did not ask for.
    pub(super) fn hints(&self, hint: &str) -> String {
        self.queue(&format!("hints.{hint}"))
    }

    fn events(&self) -> String {
        self.queue("events")
    }

    fn delay(&self, class: Duration) -> String {
        self.queue(&format!("delay.{}ms", class.as_millis()))
    }

    /// Exchange and routing key of a target.
    pub(super) fn address(&self, target: &Target) -> (String, String) {
        match target {
            Target::Event(name) => (self.events(), name.clone()),
            Target::Deployment(name) => (String::new(), self.queue(&deployment_queue(name))),
            // The key survives the delay queue and names the queue to return to.
            Target::Delayed { queue, class } => (self.delay(*class), queue.clone()),
            Target::Queue(queue) => (String::new(), self.names(queue).0),
            Target::DeadLetters => (String::new(), self.dead_letters()),
        }
    }

    /// Declares what a message to this target passes through.
    pub(super) async fn declare(&self, channel: &Channel, target: &Target) -> lapin::Result<()> {
        match target {
            Target::Event(name) => {
                for queue in queues_of(name).unwrap_or_default() {
                    self.declare_event_queue(channel, queue).await?;
                    let key = name.as_str();
                    bind(channel, &self.queue(queue), &self.events(), key).await?;
                }
                // Also for a name without a queue: the exchange must be there to return it.
                durable_exchange(channel, &self.events(), ExchangeKind::Direct).await
            }
            Target::Deployment(name) => self.declare_deployment_queue(channel, name).await,
            Target::Delayed { class, .. } => self.declare_delay(channel, *class).await,
            Target::Queue(queue) => self.declare_consumed(channel, queue).await,
            Target::DeadLetters => self.declare_dead_letters(channel).await,
        }
    }

    /// Declares a queue for its consumer; its producer declares the bindings.
    pub(super) async fn declare_consumed(&self, channel: &Channel, queue: &Consumed) -> lapin::Result<()> {
        match queue {
            Consumed::Events(name) => self.declare_event_queue(channel, name).await,
            Consumed::Deployment(name) => self.declare_deployment_queue(channel, name).await,
        }
    }

    /// The full name of a consumed queue, and the one people see.
    pub(super) fn names(&self, queue: &Consumed) -> (String, String) {
        let short = match queue {
            Consumed::Events(name) => name.clone(),
            Consumed::Deployment(name) => deployment_queue(name),
        };
        (self.queue(&short), short)
    }

    async fn declare_event_queue(&self, channel: &Channel, name: &str) -> lapin::Result<()> {
        self.declare_dead_letters(channel).await?;
        durable_exchange(channel, &self.events(), ExchangeKind::Direct).await?;
        let mut arguments = self.quorum(i64::from(DELIVERY_LIMIT));
        // The consumer sets aside what failed too often. The broker's own limit is the net below it, for a
        // message that ends its consumer's process each time.
        self.dead_letter_to(&mut arguments, "", Some(&self.dead_letters()));
        queue(channel, &self.queue(name), arguments).await
    }

    /// No dead-letter exchange here: offers expire as a matter of course, and the broker would dead-letter
    /// every expired one. A worker that gives an offer up publishes the dead letter itself; what the broker
    /// drops beyond the delivery limit is a hint, whose row the dispatcher offers again.
    async fn declare_deployment_queue(&self, channel: &Channel, name: &str) -> lapin::Result<()> {
        let mut arguments = self.quorum(i64::from(DELIVERY_LIMIT));
        // Of the queue, not of the message: an offer that returns from a delay has lost its own.
        insert(&mut arguments, "x-message-ttl", milliseconds(self.offer_lifetime));
        insert(&mut arguments, "x-max-length", OFFERS_PER_DEPLOYMENT as i64);
        // Refuse the new instead of dropping the old, so that the producer knows.
        insert_text(&mut arguments, "x-overflow", "reject-publish");
        queue(channel, &self.queue(&deployment_queue(name)), arguments).await
    }

    /// A queue without consumers: what has waited its time dead-letters into the default exchange, which
    /// routes by queue name. Classes, because a queue expires from its head only: one long delay would hold
    /// up every shorter one behind it. The exchange lets the key be the name of the queue to return to.
    async fn declare_delay(&self, channel: &Channel, class: Duration) -> lapin::Result<()> {
        let name = self.delay(class);
        let mut arguments = self.quorum(NO_DELIVERY_LIMIT);
        insert(&mut arguments, "x-message-ttl", milliseconds(class));
        self.dead_letter_to(&mut arguments, "", None);
        durable_exchange(channel, &name, ExchangeKind::Fanout).await?;
        queue(channel, &name, arguments).await?;
        bind(channel, &name, &name, "").await
    }

    pub(super) async fn declare_dead_letters(&self, channel: &Channel) -> lapin::Result<()> {
        queue(channel, &self.dead_letters(), self.quorum(NO_DELIVERY_LIMIT)).await
    }

    /// Durable although hints are not: an exchange holds nothing, and one that vanished with a broker's
    /// restart would close the channel of the next hint.
    pub(super) async fn declare_hints(&self, channel: &Channel, hint: &str) -> lapin::Result<()> {
        durable_exchange(channel, &self.hints(hint), ExchangeKind::Fanout).await
    }

    /// Quorum: the only kind that survives the loss of a node without losing what was confirmed. The limit is
    /// always stated, because its default differs between versions.
    fn quorum(&self, delivery_limit: i64) -> FieldTable {
        let mut arguments = FieldTable::default();
        insert_text(&mut arguments, "x-queue-type", "quorum");
        insert(&mut arguments, "x-delivery-limit", delivery_limit);
        if let Some(expiry) = self.idle_expiry {
            insert(&mut arguments, "x-expires", milliseconds(expiry));
        }
        arguments
    }

    /// At least once: the default strategy forgets a message before its target has it. It asks for
    /// `reject-publish`.
    fn dead_letter_to(&self, arguments: &mut FieldTable, exchange: &str, key: Option<&str>) {
        insert_text(arguments, "x-dead-letter-exchange", exchange);
        insert_text(arguments, "x-dead-letter-strategy", "at-least-once");
        insert_text(arguments, "x-overflow", "reject-publish");
        if let Some(key) = key {
            insert_text(arguments, "x-dead-letter-routing-key", key);
        }
    }
}

/// The delay class for a wait: the shortest that is no shorter.
pub(super) fn delay_class(after: Duration) -> Duration {
    let mut class = SHORTEST_DELAY;
    while class < after && class < LONGEST_DELAY {
        class = (class * 2).min(LONGEST_DELAY);
    }
    class
}

async fn durable_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
    channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
}

pub(super) fn insert(table: &mut FieldTable, key: &'static str, value: i64) {
    table.insert(ShortString::from(key), AMQPValue::LongLongInt(value));
}

pub(super) fn insert_text(table: &mut FieldTable, key: &'static str, value: &str) {
    table.insert(ShortString::from(key), AMQPValue::LongString(value.into()));
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_never_shorter_than_asked_and_never_longer_than_a_day() {
        for asked in [0, 1, 250, 251, 999, 1_000, 2_000, 300_000, 3_600_000].map(Duration::from_millis) {
            let class = delay_class(asked);
            assert!(class >= asked && class <= (asked * 2).max(SHORTEST_DELAY), "{asked:?} {class:?}");
        }
        assert_eq!(delay_class(Duration::from_secs(2)), Duration::from_secs(2));
        assert_eq!(delay_class(Duration::MAX), LONGEST_DELAY);
    }
}
