//! Outgoing webhooks: where a user's events are sent, and the sending of them.
//!
//! A delivery is a row that the commit of its event wrote. [`sender`] sends what is due, on any replica.

pub(crate) mod address;
mod attempt;
mod config;
pub(crate) mod delivery;
pub(crate) mod endpoint;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod log;
mod payload;
mod post;
pub(crate) mod secret;
pub(crate) mod sender;
mod signature;
mod verdict;

use imagioo_runtime::database;
use imagioo_runtime::http::{self, HttpConfig, HttpError};
use imagioo_seal::Sealer;
use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor};
use sqlx::PgPool;
use tokio::sync::Notify;

pub use config::WebhooksConfig;

/// What webhooks work with.
pub(crate) struct Webhooks {
    pub(crate) config: WebhooksConfig,
    pub(crate) sealer: Sealer,
    /// The connection that takes what is due, again and again.
    taking: PgPool,
    /// Follows no redirect and reaches public addresses only.
    client: reqwest::Client,
    /// Messages that become JSON.
    messages: DescriptorPool,
    /// Wakes the sender.
    pub(crate) wake: Notify,
}

/// Why webhooks cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Client(#[from] HttpError),
    #[error("the descriptors of the messages are damaged")]
    Messages(#[from] DescriptorError),
}

impl Webhooks {
    pub(crate) fn new(config: &WebhooksConfig, sealer: Sealer, pool: &PgPool) -> Result<Self, SetupError> {
        let client = http::client(&HttpConfig {
            trusted_hosts: config.trusted_hosts.clone(),
            connect_timeout_seconds: config.timeout_seconds,
            read_timeout_seconds: config.timeout_seconds,
            total_timeout_seconds: config.timeout_seconds,
        })?;
        let messages = DescriptorPool::decode(imagioo_proto::DESCRIPTOR_SET)?;
        let taking = database::planned_once(pool, 1);
        Ok(Self { config: config.clone(), sealer, taking, client, messages, wake: Notify::new() })
    }

    fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.messages.get_message_by_name(name)
    }
}
