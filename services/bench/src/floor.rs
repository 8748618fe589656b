//! The floor: the least that a durable submit can cost on this machine, from a client that does nothing else.
//!
//! One SQL statement (key look-up, reserve credit, insert the job) is committed on the stack's PostgreSQL; then one
//! persistent message is published to a durable quorum queue on the stack's RabbitMQ and its confirm awaited.

mod broker;
mod database;

use std::sync::Arc;

use imagioo_stack::Stack;
use sqlx::PgPool;
use uuid::Uuid;

use crate::load::driver::Submit;
pub(crate) use broker::message_bytes;
use broker::{Broker, Publisher};

/// The floor's own tables and queue.
pub(crate) struct Floor {
    pool: PgPool,
    broker: Broker,
    keys: Arc<[[u8; 32]]>,
}

/// One closed loop's client.
pub(crate) struct Bare {
    pool: PgPool,
    publisher: Publisher,
    keys: Arc<[[u8; 32]]>,
    next: usize,
    clients: usize,
}

impl Floor {
    /// Makes the tables with so many funded users, and the queue.
    pub(crate) async fn prepare(stack: &Stack, users: usize) -> anyhow::Result<Self> {
        let keys: Arc<[_]> = (0..users).map(|_| rand::random()).collect();
        let pool = database::prepare(stack.access(), &keys).await?;
        Ok(Self { pool, broker: Broker::connect(stack.rabbitmq()).await?, keys })
    }

    /// So many clients, ready to submit.
    pub(crate) async fn clients(&self, clients: usize) -> anyhow::Result<Vec<Bare>> {
        let mut made = Vec::with_capacity(clients);
        for next in 0..clients {
            let publisher = self.broker.publisher().await?;
            let (pool, keys) = (self.pool.clone(), Arc::clone(&self.keys));
            made.push(Bare { pool, publisher, keys, next, clients });
        }
        Ok(made)
    }

    /// Empties the queue, so that no round inherits another's depth.
    pub(crate) async fn empty(&self) -> anyhow::Result<()> {
        self.broker.purge().await
    }
}

impl Submit for Bare {
    async fn submit(&mut self) -> anyhow::Result<()> {
        let key = self.keys[self.next % self.keys.len()];
        self.next += self.clients;
        let job = Uuid::now_v7();
        database::submit(&self.pool, &key, job).await?;
        self.publisher.publish(job).await
    }
}
