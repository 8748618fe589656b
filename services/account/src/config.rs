//! The configuration, as `deploy/config/account.toml` documents it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use imagioo_queue::RabbitConfig;
use imagioo_rpc::IdentityConfig;
use imagioo_runtime::ConfigError;
use imagioo_runtime::database::DatabaseConfig;
use imagioo_runtime::ops::OpsConfig;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

use crate::password::{LEAST, MOST};

/// Everything the service is told. Field documentation: `deploy/config/account.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the service listens when it runs as a process of its own.
    pub listen: SocketAddr,
    /// Its database.
    pub database: DatabaseConfig,
    /// Its key and the keys of its peers.
    pub identity: IdentityConfig,
    /// The operators' port, when it runs as a process of its own.
    pub ops: OpsConfig,
    /// Where messages go, when it runs as a process of its own.
    pub queue: RabbitConfig,
    /// Access tokens.
    pub tokens: TokenConfig,
    /// Life of sessions.
    pub sessions: SessionConfig,
    /// Cost of password hashes.
    pub passwords: PasswordConfig,
    /// Slowing down guesses.
    pub sign_in: ThrottleConfig,
    /// Propagation of revocations.
    pub deny_list: DenyListConfig,
    /// Deletion of what is no longer needed.
    pub sweeper: SweeperConfig,
}

impl Config {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ConfigError`] names the first value that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        const YEAR_HOURS: u64 = 24 * 365;
        let delay = u64::from(self.sign_in.longest_delay_seconds);
        bounded("tokens.access_seconds", self.tokens.access_seconds.into(), 30, 300)?;
        bounded("sessions.longest_hours", self.sessions.longest_hours.into(), 1, 5 * YEAR_HOURS)?;
        let longest = self.sessions.longest_hours.into();
        bounded("sessions.idle_hours", self.sessions.idle_hours.into(), 1, longest)?;
        self.passwords.check()?;
        bounded("sign_in.free_attempts", self.sign_in.free_attempts.into(), 1, 100)?;
        bounded("sign_in.longest_delay_seconds", delay, 1, 3_600)?;
        bounded("sign_in.first_delay_seconds", self.sign_in.first_delay_seconds.into(), 1, delay)?;
        bounded("sign_in.forget_hours", self.sign_in.forget_hours.into(), 1, YEAR_HOURS)?;
        bounded("deny_list.poll_ms", self.deny_list.poll_ms, 10, 1_000)?;
        bounded("sweeper.every_seconds", self.sweeper.every_seconds, 1, 86_400)?;
        bounded("sweeper.keep_ended_sessions_days", self.sweeper.keep_ended_sessions_days.into(), 0, 365)
    }
}

/// Access tokens and the keys that sign them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// File of the signing key.
    pub signing_key_file: PathBuf,
    /// Whether to create it when it is missing.
    pub create_missing: bool,
    /// Files of further keys whose tokens are accepted.
    pub accepted_key_files: Vec<PathBuf>,
    /// Life of a token.
    pub access_seconds: u32,
}

impl TokenConfig {
    pub(crate) fn access_life(&self) -> Duration {
        Duration::from_secs(self.access_seconds.into())
    }
}

/// Life of sessions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// Without a refresh.
    pub idle_hours: u32,
    /// In any case.
    pub longest_hours: u32,
}

impl SessionConfig {
    pub(crate) fn idle(&self) -> Duration {
        hours(self.idle_hours)
    }

    pub(crate) fn longest(&self) -> Duration {
        hours(self.longest_hours)
    }
}

/// Cost of Argon2id, and how many hashes may be computed at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordConfig {
    /// Memory of one hash.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes at once.
    pub concurrency: u32,
}

impl PasswordConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let within =
            |key, value: u32, least: u32, most: u32| bounded(key, value.into(), least.into(), most.into());
        within("passwords.memory_kib", self.memory_kib, LEAST.memory_kib, MOST.memory_kib)?;
        within("passwords.iterations", self.iterations, LEAST.passes, MOST.passes)?;
        within("passwords.lanes", self.lanes, LEAST.lanes, MOST.lanes)?;
        within("passwords.concurrency", self.concurrency, 1, 1_024)
    }
}

/// Slowing down guesses at one address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleConfig {
    /// Attempts without a delay.
    pub free_attempts: u16,
    /// The first delay.
    pub first_delay_seconds: u32,
    /// The longest delay.
    pub longest_delay_seconds: u32,
    /// Silence after which counting begins anew.
    pub forget_hours: u32,
}

impl ThrottleConfig {
    pub(crate) fn forget(&self) -> Duration {
        hours(self.forget_hours)
    }
}

/// Propagation of revocations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyListConfig {
    /// Time between two looks at the table.
    pub poll_ms: u64,
}

/// Deletion of what is no longer needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweeperConfig {
    /// Time between two rounds.
    pub every_seconds: u64,
    /// How long an ended session is kept.
    pub keep_ended_sessions_days: u32,
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3_600)
}

#[cfg(test)]
mod tests {
    use imagioo_runtime::Settings;

    use super::*;

    fn read(overrides: toml::Table) -> Config {
        let settings = Settings::from_parts("account", crate::DEFAULTS, overrides);
        settings.expect("well-formed settings").read().expect("readable settings")
    }

    #[test]
    fn the_documented_defaults_are_complete_and_within_bounds() {
        read(toml::Table::new()).check().expect("within bounds");
    }

    #[test]
    fn an_access_token_may_not_outlive_five_minutes() {
        let config = read(toml::toml! { tokens.access_seconds = 301 });
        assert!(config.check().expect_err("too long").to_string().starts_with("tokens.access_seconds"));
    }

    #[test]
    fn s55_a_cost_below_the_floor_or_above_the_ceiling_is_refused() {
        for overrides in [
            toml::toml! { passwords.memory_kib = 19_455 },
            toml::toml! { passwords.memory_kib = 1_048_576 },
            toml::toml! { passwords.iterations = 1 },
            toml::toml! { passwords.lanes = 0 },
            toml::toml! { passwords.concurrency = 0 },
        ] {
            let error = read(overrides).check().expect_err("out of bounds").to_string();
            assert!(error.starts_with("passwords."), "{error}");
        }
    }

    #[test]
    fn a_session_may_not_idle_longer_than_it_lives() {
        let config = read(toml::toml! { sessions.longest_hours = 1 });
        assert!(config.check().is_err());
    }
}
