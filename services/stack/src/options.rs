//! What a stack is made of; the documented defaults are in `deploy/config/stack.toml`.

use std::fmt;
use std::sync::Arc;

use imagioo_runtime::{ConfigError, Settings};
use serde::Deserialize;

/// The documented default configuration.
const DEFAULTS: &str = include_str!("../../../deploy/config/stack.toml");
/// Beyond it the ports of two kinds would meet.
pub(crate) const MOST_REPLICAS: u16 = 10;

/// How many processes, and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where clients call the first gateway; 0 chooses free ports.
    pub port: u16,
    /// Gateways, 1 to 10.
    pub gateways: u16,
    /// Workers, 0 to 10.
    pub workers: u16,
    /// PostgreSQL.
    pub postgres: PostgresOptions,
    /// Logs and spans of the services.
    pub services: ServiceOptions,
    /// Files for single services or one of their processes (`worker`, `worker-2`), applied last; those for `rabbitmq` hold
    /// whole numbers, parameters of the broker itself.
    #[serde(skip)]
    pub overrides: Vec<(&'static str, toml::Table)>,
    /// Has the last word about the configuration of each service, addresses included; for tests.
    #[serde(skip)]
    pub amend: Option<Amend>,
}

type Amendment = dyn Fn(&str, &mut toml::Table) + Send + Sync;

/// Changes the configuration of the service with this name.
#[derive(Clone)]
pub struct Amend(Arc<Amendment>);

impl Amend {
    /// Amends like this.
    pub fn with(amend: impl Fn(&str, &mut toml::Table) + Send + Sync + 'static) -> Self {
        Self(Arc::new(amend))
    }

    pub(crate) fn apply(&self, service: &str, config: &mut toml::Table) {
        (self.0)(service, config);
    }
}

impl fmt::Debug for Amend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amend").finish_non_exhaustive()
    }
}

/// How PostgreSQL is run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresOptions {
    /// Whether a commit survives a power cut.
    pub durable: bool,
}

/// What the services tell.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceOptions {
    /// What is logged.
    pub log: String,
    /// Where spans go; empty for nowhere.
    pub otlp_endpoint: String,
    /// The share of traces that are recorded when the caller has not decided.
    pub sample_ratio: f64,
}

impl Options {
    /// The documented defaults with the environment's `IMAGIOO_STACK__…` on top; [`Settings::read`] them.
    ///
    /// # Errors
    /// [`ConfigError`] names the value that is not usable.
    pub fn settings() -> Result<Settings, ConfigError> {
        Settings::load("stack", DEFAULTS, &[])
    }

    /// Free ports and a fast database: for tests.
    ///
    /// # Errors
    /// As [`Self::settings`]
    pub fn for_tests(gateways: u16, workers: u16) -> Result<Self, ConfigError> {
        let defaults: Self = Settings::from_parts("stack", DEFAULTS, toml::Table::new())?.read()?;
        let postgres = PostgresOptions { durable: false };
        Ok(Self { port: 0, gateways, workers, postgres, ..defaults })
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=MOST_REPLICAS).contains(&self.gateways) && self.workers <= MOST_REPLICAS,
            "a stack has 1 to {MOST_REPLICAS} gateways and up to {MOST_REPLICAS} workers"
        );
        Ok(())
    }
}
