//! The gateway's configuration; the documented defaults are in `deploy/config/gateway.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use imagioo_cache::CacheConfig;
use imagioo_queue::RabbitConfig;
use imagioo_rpc::IdentityConfig;
use imagioo_runtime::ConfigError;
use imagioo_runtime::database::DatabaseConfig;
use imagioo_runtime::ops::OpsConfig;
use imagioo_seal::SealConfig;
use imagioo_storage::StorageConfig;
use serde::Deserialize;

use crate::screening::ScreeningConfig;
use crate::webhooks::WebhooksConfig;

mod http;
mod limits;
mod retries;
mod share;
mod timing;
mod watches;

pub use http::Http;
pub use limits::{Limits, Results, Uploads};
pub use retries::{Breaker, Retries};
pub use share::ShareConfig;
pub use timing::Timing;
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
    /// What results may be.
    pub results: Results,
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
        self.share.check()?;
        self.limits.check()?;
        self.timing.check()?;
        self.http.check()?;
        self.watches.check()?;
        self.uploads.check()?;
        self.results.check()?;
        self.breaker.check()?;
        self.retries.check()?;
        self.screening.check()?;
        self.webhooks.check()
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
            ("results.max_pixels = 0", "results.max_pixels"),
            ("breaker.failures = 0", "breaker.failures"),
            ("screening.screens = [\"http\", \"lists\", \"http\"]", "screening.screens"),
            ("screening.screens = [\"lists\"]", "screening.lists.files"),
            ("screening.lists.reload_seconds = 0", "screening.lists.reload_seconds"),
            ("screening.http.base_url = \"ftp://example.com\"", "screening.http.base_url"),
            ("screening.http.api_key_header = \"x y\"", "screening.http.api_key_header"),
            ("screening.http.timeout_seconds = 0", "screening.http.timeout_seconds"),
            ("webhooks.timeout_seconds = 0", "webhooks.timeout_seconds"),
            ("http.wait_seconds = 0", "http.wait_seconds"),
            ("http.wait_seconds = 600", "http.wait_seconds must be below 600: OpenAI's SDKs give up"),
        ] {
            let error = with(text).expect_err(text);
            assert!(error.to_string().starts_with(key), "{text}: {error}");
        }
    }
}
