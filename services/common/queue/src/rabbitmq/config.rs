//! Where the broker is and how it is used: the section `[rabbitmq]` of a service.

use std::time::Duration;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{error::QueueError, topology::OFFER_LIFETIME};

/// A peer that has said nothing for two of these seconds is gone; without heartbeats that takes eleven
/// minutes to notice.
const HEARTBEAT: u16 = 10;

/// A broker and this installation's place on it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://`; without a path the virtual host is `/`.
    pub url: SecretString,
    /// What the names of all queues and exchanges begin with. Installations that share a virtual host choose
    /// different ones.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// Milliseconds a publish waits for its confirm, connecting included, before it fails.
    #[serde(default = "default_publish_timeout")]
    pub publish_timeout_ms: u64,
    /// Publishes that wait for their confirm at the same time, each on a channel of its own.
    #[serde(default = "default_in_flight")]
    pub in_flight: u16,
    /// Milliseconds until an offer that nobody took expires. All services of an installation agree on it.
    #[serde(default = "default_offer_lifetime")]
    pub offer_lifetime_ms: u64,
    /// Milliseconds after which the broker deletes a queue that nobody uses, with what is in it. For tests and
    /// previews; unset, queues stay.
    #[serde(default)]
    pub idle_expiry_ms: Option<u64>,
}

fn default_prefix() -> String {
    "imagioo".to_owned()
}

const fn default_publish_timeout() -> u64 {
    10_000
}

const fn default_in_flight() -> u16 {
    64
}

const fn default_offer_lifetime() -> u64 {
    OFFER_LIFETIME.as_millis() as u64
}

impl RabbitConfig {
    /// The broker at `url`, with the defaults for everything else.
    #[must_use]
    pub fn at(url: SecretString) -> Self {
        Self {
            url,
            prefix: default_prefix(),
            publish_timeout_ms: default_publish_timeout(),
            in_flight: default_in_flight(),
            offer_lifetime_ms: default_offer_lifetime(),
            idle_expiry_ms: None,
        }
    }

    pub(super) const fn publish_timeout(&self) -> Duration {
        Duration::from_millis(self.publish_timeout_ms)
    }

    pub(super) const fn offer_lifetime(&self) -> Duration {
        Duration::from_millis(self.offer_lifetime_ms)
    }

    pub(super) fn idle_expiry(&self) -> Option<Duration> {
        self.idle_expiry_ms.map(Duration::from_millis)
    }

    /// The address; what is wrong with it is not told, because the parser quotes it, password included.
    pub(super) fn address(&self) -> Result<AMQPUri, QueueError> {
        if self.in_flight == 0 || self.publish_timeout_ms == 0 {
            return Err(QueueError::Config { field: "in_flight and publish_timeout_ms are at least 1" });
        }
        if self.prefix.is_empty() || self.prefix.len() > 100 {
            return Err(QueueError::Config { field: "prefix has 1 to 100 characters" });
        }
        let mut address: AMQPUri = self.url.expose_secret().parse().map_err(|_| QueueError::Config {
            field: "url looks like amqp://user:password@host:5672/vhost",
        })?;
        address.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_without_quoting_it() {
        let config = RabbitConfig::at("amqp//canary@host".into());
        let error = config.address().unwrap_err().to_string();
        assert!(error.contains("amqp://user:password@host") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn heartbeats_are_on() {
        let address = RabbitConfig::at("amqp://user:secret@host".into()).address().unwrap();
        assert_eq!((address.query.heartbeat, address.vhost.as_str()), (Some(HEARTBEAT), "/"));
    }
}
