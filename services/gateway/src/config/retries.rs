//! Attempts that failed: how often another one follows, and when a deployment is left alone.

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

const DAY: u64 = 86_400;

/// Attempts and waits between them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// Attempts of one generation, the first included.
    pub attempts: i32,
    /// Takeovers of one attempt.
    pub takeovers: i64,
    /// Seconds.
    pub backoff_base_seconds: u32,
    /// Seconds.
    pub backoff_cap_seconds: u32,
    /// Retries that are dispatched per second, for each deployment.
    pub per_second: u32,
}

impl Retries {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let whole = |value: i64| u64::try_from(value).unwrap_or_default();
        bounded("retries.per_second", self.per_second.into(), 1, 1_000_000)?;
        bounded("retries.attempts", whole(self.attempts.into()), 1, 100)?;
        bounded("retries.takeovers", whole(self.takeovers), 1, 1_000)?;
        bounded("retries.backoff_cap_seconds", self.backoff_cap_seconds.into(), 1, DAY)
    }
}

/// When a failing deployment is left alone, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Calls in a row that fail by the provider's fault before it is shut.
    pub failures: u32,
    /// How long it is shut the first time; twice as long each time after.
    pub shut_seconds: u32,
    /// The longest.
    pub shut_cap_seconds: u32,
    /// How long it is left alone after it was asked too often, unless it says.
    pub pause_seconds: u32,
}

impl Breaker {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("breaker.failures", self.failures),
            ("breaker.shut_seconds", self.shut_seconds),
            ("breaker.shut_cap_seconds", self.shut_cap_seconds),
            ("breaker.pause_seconds", self.pause_seconds),
        ] {
            bounded(key, value.into(), 1, DAY)?;
        }
        Ok(())
    }

    pub(crate) fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.pause_seconds.into())
    }
}
