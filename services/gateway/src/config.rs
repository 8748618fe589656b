//! The gateway's configuration; the documented defaults are in `deploy/config/gateway.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::HeaderValue;
use imagioo_cache::CacheConfig;
use imagioo_queue::RabbitConfig;
use imagioo_rpc::IdentityConfig;
use imagioo_runtime::ConfigError;
use imagioo_runtime::database::DatabaseConfig;
use imagioo_runtime::ops::OpsConfig;
use imagioo_runtime::settings::bounded;
use imagioo_seal::SealConfig;
use imagioo_storage::StorageConfig;
use serde::Deserialize;
use time::Duration;

use crate::screening::ScreeningConfig;
use crate::webhooks::WebhooksConfig;

mod watches;

pub use watches::Watches;

/// Everything the gateway can be told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients call.
    pub listen: SocketAddr,
    /// Where workers and billing call.
    pub internal_listen: SocketAddr,
    /// Whether clients are told which services there are for them.
    pub reflection: bool,
    /// The catalogue; empty for the one that is compiled in.
    pub catalogue_file: PathBuf,
    /// Provider accounts whose models the compiled-in catalogue offers.
    pub providers: Vec<String>,
    /// True when no other process can hold a lease.
    pub sole_process: bool,
    /// Addresses of the other services.
    pub peers: Peers,
    /// Service keys.
    pub identity: IdentityConfig,
    /// The database with the schema `generation`.
    pub database: DatabaseConfig,
    /// What one user may have at once.
    pub share: ShareConfig,
    /// Rate limits.
    pub limits: Limits,
    /// What pictures may be that users send.
    pub uploads: Uploads,
    /// Calls in plain HTTP and from browsers.
    pub http: Http,
    /// Who decides about prompts.
    pub screening: ScreeningConfig,
    /// Leases, deadlines and sweeps.
    pub timing: Timing,
    /// Attempts and waits between them.
    pub retries: Retries,
    /// Streams that show generations as they change.
    pub watches: Watches,
    /// When a failing deployment is left alone.
    pub breaker: Breaker,
    /// What is sent to endpoints of users.
    pub webhooks: WebhooksConfig,
    /// What secrets of users are sealed with.
    pub seal: SealConfig,
    /// Messages, when it runs as a process of its own.
    pub queue: RabbitConfig,
    /// Objects, when it runs as a process of its own.
    pub storage: StorageConfig,
    /// Rate limits, when it runs as a process of its own.
    pub cache: CacheConfig,
    /// Health and metrics.
    pub ops: OpsConfig,
}

impl Config {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ConfigError`] names the first value that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 86_400;
        let Self { share, limits, uploads, timing, retries, breaker, webhooks, .. } = self;
        if !(share.weight.is_finite() && share.weight > 0.0) {
            return Err(ConfigError::Senseless("share.weight must be a number above zero".into()));
        }
        let whole = |value: i64| u64::try_from(value).unwrap_or_default();
        bounded("share.in_flight", whole(share.in_flight.into()), 1, 10_000)?;
        for (key, value) in [
            ("limits.user_per_second", limits.user_per_second),
            ("limits.user_burst", limits.user_burst),
            ("limits.address_per_minute", limits.address_per_minute),
            ("limits.address_burst", limits.address_burst),
        ] {
            bounded(key, value.into(), 1, 1_000_000)?;
        }
        for (key, value, most) in [
            ("timing.lease_seconds", timing.lease_seconds, 3_600),
            ("timing.start_within_seconds", timing.start_within_seconds, 30 * DAY),
            ("timing.end_within_seconds", timing.end_within_seconds, 30 * DAY),
            ("timing.unstarted_seconds", timing.unstarted_seconds, DAY),
            ("timing.sweep_seconds", timing.sweep_seconds, 3_600),
            ("timing.collect_seconds", timing.collect_seconds, 30 * DAY),
        ] {
            bounded(key, value.into(), 1, most)?;
        }
        self.http.check()?;
        self.watches.check()?;
        bounded("uploads.max_bytes", uploads.max_bytes, 1, 1 << 30)?;
        bounded("uploads.max_pixels", uploads.max_pixels, 1, 1 << 30)?;
        bounded("uploads.decoders", uploads.decoders as u64, 1, 1_000)?;
        for (key, value) in [
            ("breaker.failures", breaker.failures),
            ("breaker.shut_seconds", breaker.shut_seconds),
            ("breaker.shut_cap_seconds", breaker.shut_cap_seconds),
            ("breaker.pause_seconds", breaker.pause_seconds),
        ] {
            bounded(key, value.into(), 1, DAY)?;
        }
        bounded("retries.per_second", retries.per_second.into(), 1, 1_000_000)?;
        self.screening.check()?;
        bounded("retries.attempts", whole(retries.attempts.into()), 1, 100)?;
        bounded("retries.takeovers", whole(retries.takeovers), 1, 1_000)?;
        bounded("retries.backoff_cap_seconds", retries.backoff_cap_seconds.into(), 1, DAY)?;
        webhooks.check()
    }
}

/// Addresses of the services that the gateway calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// The account service.
    pub account: String,
    /// The billing service.
    pub billing: String,
}

/// A user's part of a busy deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareConfig {
    /// Relative weight, above zero.
    pub weight: f64,
    /// Most generations dispatched or running at once, per deployment.
    pub in_flight: i32,
}

/// Rate limits at the edge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sustained calls per second of one user.
    pub user_per_second: u32,
    /// Calls of one user at once.
    pub user_burst: u32,
    /// Sustained credential calls per minute of one address.
    pub address_per_minute: u32,
    /// Credential calls of one address at once.
    pub address_burst: u32,
}

/// What pictures may be that users send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploads {
    /// Most bytes of one file.
    pub max_bytes: u64,
    /// Most pixels, checked before memory is taken for them.
    pub max_pixels: u64,
    /// Pictures that are decoded at once.
    pub decoders: usize,
}

/// Calls in plain HTTP and from browsers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Most bytes of one request, its pictures included.
    pub max_body_bytes: u64,
    /// Requests with pictures that one user may send at once.
    pub user_bodies: u32,
    /// How long a call waits for its images, in seconds.
    pub wait_seconds: u32,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<String>,
}

impl Http {
    /// Checked by [`Config::check`], so none is left out.
    pub(crate) fn origins(&self) -> Vec<HeaderValue> {
        self.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect()
    }

    fn check(&self) -> Result<(), ConfigError> {
        bounded("http.max_body_bytes", self.max_body_bytes, 1, 1 << 30)?;
        bounded("http.user_bodies", self.user_bodies.into(), 1, 1_000)?;
        bounded("http.wait_seconds", self.wait_seconds.into(), 1, 86_400)?;
        if self.origins().len() < self.allowed_origins.len() {
            let message = "http.allowed_origins must hold origins such as https://app.example.com";
            return Err(ConfigError::Senseless(message.into()));
        }
        Ok(())
    }
}

/// Leases, deadlines and sweeps, in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// How long a lease lasts without renewal.
    pub lease_seconds: u32,
    /// When a generation must have started.
    pub start_within_seconds: u32,
    /// When a generation must have ended.
    pub end_within_seconds: u32,
    /// When a hint that no worker took is given up.
    pub unstarted_seconds: u32,
    /// How often the sweeper looks.
    pub sweep_seconds: u32,
    /// How often the collector looks.
    pub collect_seconds: u32,
}

impl Timing {
    pub(crate) fn lease(&self) -> Duration {
        Duration::seconds(i64::from(self.lease_seconds))
    }

    pub(crate) fn start_within(&self) -> Duration {
        Duration::seconds(i64::from(self.start_within_seconds))
    }

    pub(crate) fn end_within(&self) -> Duration {
        Duration::seconds(i64::from(self.end_within_seconds))
    }

    pub(crate) fn unstarted(&self) -> Duration {
        Duration::seconds(i64::from(self.unstarted_seconds))
    }

    pub(crate) fn sweep(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.sweep_seconds))
    }

    pub(crate) fn collect(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.collect_seconds))
    }
}

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
    pub(crate) fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.pause_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use imagioo_runtime::Settings;

    use super::*;

    fn with(text: &str) -> Result<(), ConfigError> {
        let overrides = text.parse().expect("TOML");
        Settings::from_parts("gateway", crate::DEFAULTS, overrides)?.read::<Config>()?.check()
    }

    #[test]
    fn the_documented_defaults_make_sense_and_what_would_fail_later_is_refused_by_name() {
        with("").expect("the defaults");
        for (text, key) in [
            ("share.weight = 0.0", "share.weight"),
            ("share.weight = nan", "share.weight"),
            ("share.in_flight = 0", "share.in_flight"),
            ("share.in_flight = -1", "share.in_flight"),
            ("limits.user_burst = 0", "limits.user_burst"),
            ("timing.lease_seconds = 0", "timing.lease_seconds"),
            ("timing.sweep_seconds = 0", "timing.sweep_seconds"),
            ("retries.attempts = 0", "retries.attempts"),
            ("breaker.failures = 0", "breaker.failures"),
            ("screening.screens = [\"http\", \"lists\", \"http\"]", "screening.screens"),
            ("screening.screens = [\"lists\"]", "screening.lists.files"),
            ("screening.lists.reload_seconds = 0", "screening.lists.reload_seconds"),
            ("screening.http.base_url = \"ftp://example.com\"", "screening.http.base_url"),
            ("screening.http.api_key_header = \"x y\"", "screening.http.api_key_header"),
            ("screening.http.timeout_seconds = 0", "screening.http.timeout_seconds"),
            ("webhooks.timeout_seconds = 0", "webhooks.timeout_seconds"),
        ] {
            let error = with(text).expect_err(text);
            assert!(error.to_string().starts_with(key), "{text}: {error}");
        }
    }
}
