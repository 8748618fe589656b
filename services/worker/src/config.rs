//! The configuration, as `deploy/config/worker.toml` documents it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use imagioo_queue::RabbitConfig;
use imagioo_rpc::IdentityConfig;
use imagioo_runtime::ops::OpsConfig;
use imagioo_storage::StorageConfig;
use serde::Deserialize;

use crate::provider::account::{AccountConfig, AccountError};
use crate::provider::openai;
use crate::provider::sketch::SketchConfig;
use crate::results::ResultsConfig;
use crate::screening::ScreeningConfig;

/// Everything the service is told. Field documentation: `deploy/config/worker.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The operators' port, when it runs as a process of its own.
    pub ops: OpsConfig,
    /// Its key and the keys of its peers.
    pub identity: IdentityConfig,
    /// Where its peers are.
    pub peers: PeersConfig,
    /// Where hints come from, when it runs as a process of its own.
    pub queue: RabbitConfig,
    /// Where images go, when it runs as a process of its own.
    pub storage: StorageConfig,
    /// Which queues it works on.
    pub deployments: Vec<DeploymentConfig>,
    /// Provider accounts by the names that the catalogue's deployments give.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// What results may be and cost.
    pub results: ResultsConfig,
    /// Who decides about finished images.
    pub screening: ScreeningConfig,
}

/// Addresses of the services this one calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    /// The gateway's internal port.
    pub gateway: String,
}

/// One queue this worker takes jobs from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentConfig {
    /// The deployment's id in the catalogue.
    pub id: String,
    /// Jobs at once.
    pub concurrency: u32,
}

/// A provider account. `kind` says how to speak to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProviderConfig {
    /// Draws on this machine.
    Sketch(SketchConfig),
    /// Speaks the OpenAI Images API.
    Openai(AccountConfig<openai::Dialect>),
    /// Speaks the API of Black Forest Labs.
    Bfl(AccountConfig),
    /// Speaks to fal's queue.
    Fal(AccountConfig),
    /// Speaks AUTOMATIC1111's API.
    Automatic1111(AccountConfig),
    /// Speaks ComfyUI's API.
    Comfyui(AccountConfig),
    /// Speaks the Gemini API.
    Gemini(AccountConfig),
    /// Speaks Replicate's API.
    Replicate(AccountConfig),
    /// Speaks Stability's API.
    Stability(AccountConfig),
}

/// Something that makes no sense in a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// Nothing to do.
    #[error("deployments is empty: name at least one queue to work on")]
    NoDeployment,
    /// A deployment cannot be worked on.
    #[error("deployments: `{0}` needs an id and a concurrency between 1 and 10000")]
    Deployment(String),
    /// A deployment is there twice.
    #[error("deployments: `{0}` is listed twice")]
    Twice(String),
    /// A number that is out of bounds.
    #[error("{0} must be above zero")]
    Zero(&'static str),
    /// An address that no API can have.
    #[error("screening.moderations.base_url must begin with http:// or https://")]
    Screen,
    /// An account that cannot be opened.
    #[error("providers.{provider}: {source}")]
    Account {
        /// The account.
        provider: String,
        /// Why.
        source: AccountError,
    },
}

/// Everything that makes no sense in a configuration.
#[derive(Debug, thiserror::Error)]
pub struct Misconfigured(pub Vec<Mistake>);

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration of the worker makes no sense")?;
        self.0.iter().try_for_each(|mistake| write!(f, "; {mistake}"))
    }
}

impl Config {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`Misconfigured`] lists every mistake.
    pub fn check(&self) -> Result<(), Misconfigured> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() { Ok(()) } else { Err(Misconfigured(mistakes)) }
    }

    /// What makes no sense, all of it.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.deployments.is_empty() {
            mistakes.push(Mistake::NoDeployment);
        }
        let mut seen = BTreeSet::new();
        for deployment in &self.deployments {
            if deployment.id.is_empty() || !(1..=10_000).contains(&deployment.concurrency) {
                mistakes.push(Mistake::Deployment(deployment.id.clone()));
            }
            if !seen.insert(&deployment.id) {
                mistakes.push(Mistake::Twice(deployment.id.clone()));
            }
        }
        let results = &self.results;
        let positive = [
            ("results.image_bytes", results.image_bytes),
            ("results.answer_bytes", results.answer_bytes),
            ("results.image_seconds", results.image_seconds),
            ("results.max_pixels", results.max_pixels),
            ("results.decoders", results.decoders as u64),
        ];
        let positive = positive.into_iter().chain(self.screening.positive());
        mistakes.extend(positive.filter(|(_, value)| *value == 0).map(|(key, _)| Mistake::Zero(key)));
        if !self.screening.has_address() {
            mistakes.push(Mistake::Screen);
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imagioo_runtime::Settings;
    use imagioo_types::{Clock, SystemClock};

    use super::*;
    use crate::registry::Registry;

    fn read(overrides: toml::Table) -> Config {
        let settings = Settings::from_parts("worker", crate::DEFAULTS, overrides).expect("well formed");
        settings.read().expect("complete settings")
    }

    fn registry(config: &Config) -> Result<Registry, Misconfigured> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Registry::from_config(config, &clock)
    }

    #[test]
    fn the_documented_defaults_are_complete_and_make_sense() {
        let providers = registry(&read(toml::Table::new())).expect("sensible defaults");
        assert!(providers.get("sketch").is_some());
    }

    #[test]
    fn an_account_is_read_with_its_key_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "secret\n").expect("writable");
        let path = path.display().to_string();
        let config = read(toml::toml! {
            [providers.openai]
            kind = "openai"
            base_url = "https://api.openai.com/v1"
            api_key_file = path
        });
        assert!(registry(&config).expect("a good account").get("openai").is_some());
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn every_mistake_is_listed_at_once() {
        let config = read(toml::toml! {
            deployments = [
                { id = "a", concurrency = 1 },
                { id = "a", concurrency = 1 },
                { id = "b", concurrency = 0 },
            ]
            results = { max_pixels = 0 }
            [providers.one]
            kind = "openai"
            base_url = "ftp://example.com"
            trusted_hosts = ["http://minio:9000", "minio:9000"]
        });
        let wrong = registry(&config).err().expect("refused").to_string();
        for part in
            ["`a` is listed twice", "`b` needs", "results.max_pixels", "base_url", "`http://minio:9000`"]
        {
            assert!(wrong.contains(part), "{part} is missing in: {wrong}");
        }
    }

    #[test]
    fn an_unknown_option_of_an_account_is_refused() {
        let overrides = toml::toml! {
            [providers.openai]
            kind = "openai"
            base_url = "https://api.openai.com/v1"
            api_kay = "typo"
        };
        let settings = Settings::from_parts("worker", crate::DEFAULTS, overrides).expect("well formed");
        assert!(settings.read::<Config>().is_err());
    }
}
