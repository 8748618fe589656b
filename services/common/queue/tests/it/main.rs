//! The promises of the queue, held against every transport, and the loops around it.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod conformance;
mod consumer;
mod consumer_timeout;
mod in_process;
mod messages;
mod outbox;
mod rabbitmq;
mod rabbitmq_faults;
mod subject;
mod total_queue;
