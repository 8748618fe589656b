//! The section `[webhooks]`; the documented defaults are in `deploy/config/gateway.toml`.

use std::time::Duration;

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// How webhooks are sent, and how many there may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Hosts that may be private, use plain HTTP and any port.
    pub trusted_hosts: Vec<String>,
    /// Endpoints of one user.
    pub endpoints_per_user: u32,
    /// Most bytes of a body; longer ones leave texts out.
    pub max_bytes: usize,
    /// Seconds until there is no answer.
    pub timeout_seconds: u64,
    /// Requests under way at once, per replica.
    pub in_flight: u32,
    /// The same, per endpoint and over all replicas.
    pub in_flight_per_endpoint: u32,
    /// How often is looked for what is due.
    pub poll_seconds: u64,
    /// Hours after which a delivery is given up.
    pub retry_hours: u32,
    /// Seconds.
    pub backoff_base_seconds: u32,
    /// Seconds.
    pub backoff_cap_seconds: u32,
    /// An endpoint at which nothing arrived for so many hours is disabled …
    pub disable_after_hours: u32,
    /// … if at least so many attempts failed.
    pub disable_after_failures: u32,
    /// Hours for which the previous secret goes on signing after a rotation.
    pub rotation_hours: u32,
    /// Days for which deliveries that are over stay in the log.
    pub log_days: u32,
}

impl WebhooksConfig {
    /// Checks what types cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        const YEAR: u64 = 365 * 24;
        for (key, value, most) in [
            ("webhooks.endpoints_per_user", u64::from(self.endpoints_per_user), 100),
            ("webhooks.timeout_seconds", self.timeout_seconds, 120),
            ("webhooks.in_flight", self.in_flight.into(), 10_000),
            ("webhooks.in_flight_per_endpoint", self.in_flight_per_endpoint.into(), 1_000),
            ("webhooks.poll_seconds", self.poll_seconds, 60),
            ("webhooks.retry_hours", self.retry_hours.into(), YEAR),
            ("webhooks.backoff_base_seconds", self.backoff_base_seconds.into(), 3_600),
            ("webhooks.backoff_cap_seconds", self.backoff_cap_seconds.into(), 24 * 3_600),
            ("webhooks.disable_after_hours", self.disable_after_hours.into(), YEAR),
            ("webhooks.disable_after_failures", self.disable_after_failures.into(), 100_000),
            ("webhooks.rotation_hours", self.rotation_hours.into(), YEAR),
            ("webhooks.log_days", self.log_days.into(), 3_650),
        ] {
            bounded(key, value, 1, most)?;
        }
        bounded("webhooks.max_bytes", self.max_bytes as u64, 16_384, 1 << 24)
    }

    pub(crate) fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds)
    }

    /// How long a replica may be silent about a request before another one sends it again.
    pub(crate) fn lease(&self) -> time::Duration {
        time::Duration::seconds(self.timeout_seconds.saturating_mul(2).cast_signed() + 15)
    }

    pub(crate) fn retry_within(&self) -> time::Duration {
        time::Duration::hours(self.retry_hours.into())
    }

    pub(crate) fn disable_after(&self) -> time::Duration {
        time::Duration::hours(self.disable_after_hours.into())
    }

    pub(crate) fn rotation(&self) -> time::Duration {
        time::Duration::hours(self.rotation_hours.into())
    }

    pub(crate) fn log(&self) -> time::Duration {
        time::Duration::days(self.log_days.into())
    }
}
