//! The providers of this worker by name, built from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use imagioo_types::Clock;

use crate::config::{Config, Misconfigured, Mistake, ProviderConfig};
use crate::provider::account::{Account, AccountError};
use crate::provider::automatic1111::{self, Automatic1111};
use crate::provider::bfl::{self, BlackForestLabs};
use crate::provider::comfyui::{self, ComfyUi};
use crate::provider::fal::{self, Fal};
use crate::provider::gemini::{self, Gemini};
use crate::provider::openai::{self, OpenAi};
use crate::provider::replicate::{self, Replicate};
use crate::provider::sketch::Sketch;
use crate::provider::stability::{self, Stability};
use crate::provider::{CallError, Provider};
use crate::results::ResultsConfig;

/// Providers by the name that a deployment gives.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn Provider>>);

impl Registry {
    /// The providers of a configuration.
    ///
    /// # Errors
    /// [`Misconfigured`] lists every mistake of every provider and deployment.
    pub fn from_config(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, Misconfigured> {
        let mut mistakes = config.mistakes();
        let mut registry = Self::default();
        for (name, provider) in &config.providers {
            match build(provider, &config.results, clock) {
                Ok(provider) => registry = registry.with(name, provider),
                Err(wrong) => mistakes.extend(
                    wrong.into_iter().map(|source| Mistake::Account { provider: name.clone(), source }),
                ),
            }
        }
        if mistakes.is_empty() { Ok(registry) } else { Err(Misconfigured(mistakes)) }
    }

    /// The same with one more provider.
    #[must_use]
    pub fn with(mut self, name: &str, provider: Arc<dyn Provider>) -> Self {
        self.0.insert(name.to_owned(), provider);
        self
    }

    /// Proves address and key of a provider by a call that costs nothing; none by that name answers nothing.
    pub async fn check(&self, name: &str) -> Option<Result<(), CallError>> {
        Some(self.0.get(name)?.check().await)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&dyn Provider> {
        self.0.get(name).map(AsRef::as_ref)
    }
}

fn build(
    config: &ProviderConfig,
    limits: &ResultsConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Provider>, Vec<AccountError>> {
    Ok(match config {
        ProviderConfig::Sketch(sketch) => Arc::new(Sketch::new(sketch.clone())),
        ProviderConfig::Openai(account) => {
            let opened = Account::open(account, openai::KIND, limits, clock)?;
            Arc::new(OpenAi::new(account.dialect.clone(), opened))
        }
        ProviderConfig::Bfl(account) => {
            Arc::new(BlackForestLabs::new(Account::open(account, bfl::KIND, limits, clock)?))
        }
        ProviderConfig::Fal(account) => Arc::new(Fal::new(Account::open(account, fal::KIND, limits, clock)?)),
        ProviderConfig::Automatic1111(account) => {
            Arc::new(Automatic1111::new(Account::open(account, automatic1111::KIND, limits, clock)?))
        }
        ProviderConfig::Comfyui(account) => {
            Arc::new(ComfyUi::new(Account::open(account, comfyui::KIND, limits, clock)?))
        }
        ProviderConfig::Gemini(account) => {
            Arc::new(Gemini::new(Account::open(account, gemini::KIND, limits, clock)?))
        }
        ProviderConfig::Stability(account) => {
            Arc::new(Stability::new(Account::open(account, stability::KIND, limits, clock)?))
        }
        ProviderConfig::Replicate(account) => {
            Arc::new(Replicate::new(Account::open(account, replicate::KIND, limits, clock)?))
        }
    })
}
