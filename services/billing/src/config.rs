//! The configuration, as `deploy/config/billing.toml` documents it.

use std::net::SocketAddr;
use std::time::Duration;

use imagioo_queue::RabbitConfig;
use imagioo_rpc::IdentityConfig;
use imagioo_runtime::ConfigError;
use imagioo_runtime::database::DatabaseConfig;
use imagioo_runtime::ops::OpsConfig;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// Everything the service is told. Field documentation: `deploy/config/billing.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens when it runs as a process of its own.
    pub listen: SocketAddr,
    /// Its database.
    pub database: DatabaseConfig,
    /// Its key and the keys of its peers.
    pub identity: IdentityConfig,
    /// Where its peers are.
    pub peers: PeersConfig,
    /// The operators' port, when it runs as a process of its own.
    pub ops: OpsConfig,
    /// Where messages go, when it runs as a process of its own.
    pub queue: RabbitConfig,
    /// Statements on the ledger.
    pub ledger: LedgerConfig,
    /// Credits for a new account.
    pub registration: RegistrationConfig,
    /// Holds that nobody settled.
    pub holds: HoldsConfig,
    /// Booking of expired credits.
    pub expiry: ExpiryConfig,
    /// Messages worked on at once.
    pub consumers: ConsumersConfig,
}

impl Config {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// `ConfigError` names the first value that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 86_400;
        bounded("ledger.lanes", self.ledger.lanes, 1, 64)?;
        bounded("ledger.rows", self.ledger.rows, 1, 1_000)?;
        bounded("holds.resolve_after_seconds", self.holds.resolve_after_seconds, 1, 30 * DAY)?;
        bounded("holds.ask_again_seconds", self.holds.ask_again_seconds, 1, DAY)?;
        bounded("holds.sweep_every_seconds", self.holds.sweep_every_seconds, 1, DAY)?;
        bounded("expiry.sweep_every_seconds", self.expiry.sweep_every_seconds, 1, DAY)?;
        bounded("registration.expires_after_days", self.registration.expires_after_days.into(), 0, 36_500)?;
        bounded("consumers.concurrency", self.consumers.concurrency.into(), 1, 1_000)
    }
}

/// Addresses of the services this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    /// Keys and deny list of access tokens.
    pub account: String,
    /// What became of old holds.
    pub gateway: String,
}

/// Statements on the ledger.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// Statements at a time.
    pub lanes: u64,
    /// Most operations of one statement.
    pub rows: u64,
}

impl LedgerConfig {
    pub(crate) fn size(self) -> imagioo_batch::Size {
        let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        imagioo_batch::Size { lanes: count(self.lanes), rows: count(self.rows) }
    }
}

/// Credits for a new account.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationConfig {
    /// How many.
    pub credits: u32,
    /// How long they can be spent; 0 is for ever.
    pub expires_after_days: u32,
}

impl RegistrationConfig {
    pub(crate) fn lifetime(self) -> Option<time::Duration> {
        (self.expires_after_days > 0).then(|| time::Duration::days(self.expires_after_days.into()))
    }
}

/// Holds that nobody settled.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldsConfig {
    /// Age at which the gateway is asked.
    pub resolve_after_seconds: u64,
    /// Time until it is asked again.
    pub ask_again_seconds: u64,
    /// Time between two looks for old holds.
    pub sweep_every_seconds: u64,
}

impl HoldsConfig {
    pub(crate) const fn resolve_after(self) -> Duration {
        Duration::from_secs(self.resolve_after_seconds)
    }

    pub(crate) const fn ask_again(self) -> Duration {
        Duration::from_secs(self.ask_again_seconds)
    }
}

/// Booking of expired credits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiryConfig {
    /// Time between two looks for expired credits.
    pub sweep_every_seconds: u64,
}

/// Messages worked on at once.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumersConfig {
    /// Of each queue.
    pub concurrency: u16,
}

#[cfg(test)]
mod tests {
    use imagioo_runtime::Settings;

    use super::*;

    fn read(overrides: toml::Table) -> Config {
        let settings = Settings::from_parts("billing", crate::DEFAULTS, overrides).expect("settings");
        settings.read().expect("configuration")
    }

    #[test]
    fn the_documented_defaults_are_complete_and_within_bounds() {
        read(toml::Table::new()).check().expect("within bounds");
    }

    #[test]
    fn a_value_out_of_bounds_is_named() {
        let config = read(toml::toml! { ledger.lanes = 0 });
        assert!(config.check().expect_err("no lanes").to_string().starts_with("ledger.lanes"));
    }
}
