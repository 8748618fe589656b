//! The providers of this worker by name, built from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use imagioo_types::Clock;

use crate::config::{Config, Misconfigured, Mistake, ProviderConfig};
use crate::provider::Provider;
use crate::provider::account::Account;
use crate::provider::openai::OpenAi;
use crate::provider::sketch::Sketch;

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
            let built: Result<Arc<dyn Provider>, _> = match provider {
                ProviderConfig::Sketch(sketch) => Ok(Arc::new(Sketch::new(sketch.clone()))),
                ProviderConfig::Openai(openai) => Account::open(openai.account(), &config.results, clock)
                    .map(|account| Arc::new(OpenAi::new(openai.clone(), account)) as _),
            };
            match built {
                Ok(provider) => registry = registry.with(name, provider),
                Err(source) => mistakes.push(Mistake::Client { provider: name.clone(), source }),
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

    pub(crate) fn get(&self, name: &str) -> Option<&dyn Provider> {
        self.0.get(name).map(AsRef::as_ref)
    }
}
