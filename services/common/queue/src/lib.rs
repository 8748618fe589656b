//! Messages between services: durable events, work offered to deployments, and transient hints.
//!
//! # Promises
//! - An **event** reaches every queue bound to it at least once, in no promised order. [`Queue::publish`]
//!   returns only when the transport is responsible for it, so an outbox row may be forgotten afterwards and
//!   not before.
//! - An **offer** tells the workers of a deployment that a generation waits. It expires; the row is the
//!   truth.
//! - A **hint** goes to whoever listens at that moment. Nothing may depend on it.
//!
//! A delivery that is dropped without an answer comes back with a higher attempt; after
//! [`DELIVERY_LIMIT`](topology::DELIVERY_LIMIT) attempts it becomes a dead letter that says why. Every
//! consumer may see every message twice.
//!
//! # Code map
//! `topology` names every queue. `message` and `trace` are what travels. `delivery` is what a consumer holds,
//! `dead_letter` what nobody could handle,
//! `consumer` the loop around it, `outbox` the way from a table into the queue. `in_process` is the transport
//! of the embedded form, `rabbitmq` that of several processes; a further transport is one more variant of the
//! private enums in `queue` and `delivery`, and runs the properties of `tests/it/conformance.rs`.

mod consumer;
mod dead_letter;
mod delivery;
mod error;
mod in_process;
mod instruments;
mod message;
mod outbox;
mod queue;
mod rabbitmq;
pub mod topology;
mod trace;

pub use consumer::{Decision, Received, run};
pub use dead_letter::{DeadLetter, Selection};
pub use delivery::{Deliveries, Delivery};
pub use error::{BoxError, DecodeError, PublishError, QueueError};
pub use message::{Event, Hint, Message, Payload};
pub use outbox::{CLAIM_SECONDS, OutboxRow, OutboxSource, relay};
pub use queue::{Queue, Subscription};
pub use rabbitmq::RabbitConfig;
