//! The catalogue: which models there are, what each can do, what it costs and where it runs. Data, not code.

use std::collections::BTreeMap;

use imagioo_picture::{Background, Format, Operation, Size};
use serde::Deserialize;
use time::{Date, OffsetDateTime};

use crate::Offered;

mod able;
mod current;
mod custom_size;
mod file;
mod options;
mod own_keys;
mod price;
mod request;
mod route;
mod rules;

pub(crate) use able::MOST_NAMED;
pub(crate) use current::{Current, configured, keep_current};
pub(crate) use file::CatalogueError;
pub(crate) use own_keys::{KeySource, OwnKeyRule, OwnKeys, Standing};
pub(crate) use price::PriceRule;
pub(crate) use request::{Asked, Priced, Unsupported};
pub(crate) use route::{Consent, Stop};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// One model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) operations: Vec<Operation>,
    #[serde(default, deserialize_with = "file::sizes")]
    pub(crate) sizes: Vec<Size>,
    #[serde(default)]
    pub(crate) custom_size: Option<CustomSize>,
    #[serde(default)]
    pub(crate) aspect_ratios: Vec<String>,
    #[serde(default)]
    pub(crate) resolutions: Vec<String>,
    #[serde(default)]
    pub(crate) qualities: Vec<String>,
    pub(crate) formats: Vec<Format>,
    #[serde(default)]
    pub(crate) backgrounds: Vec<Background>,
    pub(crate) max_count: i32,
    #[serde(default)]
    pub(crate) max_references: u32,
    #[serde(default)]
    pub(crate) upscale_factors: Vec<u32>,
    #[serde(default)]
    pub(crate) seed: bool,
    #[serde(default)]
    pub(crate) negative_prompt: bool,
    #[serde(default)]
    pub(crate) compression: bool,
    #[serde(default)]
    pub(crate) guidance: Option<Bounds>,
    #[serde(default)]
    pub(crate) steps: Option<Bounds>,
    #[serde(default)]
    pub(crate) strength: Option<Bounds>,
    /// Settings that it has, but not for these operations.
    #[serde(default)]
    pub(crate) without: BTreeMap<Operation, Vec<String>>,
    pub(crate) prices: Vec<PriceRule>,
    /// From this day on, in UTC, it is gone.
    #[serde(default, with = "day::option")]
    pub(crate) sunset: Option<Date>,
    #[serde(default)]
    pub(crate) successor: Option<String>,
    pub(crate) deployments: Vec<Deployment>,
}

impl Model {
    pub(crate) fn name(&self) -> String {
        format!("models/{}", self.id)
    }

    /// Its deployments, as far as whoever hosts the workers needs to know.
    pub(crate) fn places(&self) -> impl Iterator<Item = Offered> {
        self.deployments.iter().map(|deployment| Offered {
            id: deployment.id.clone(),
            provider: deployment.provider.clone(),
            concurrency: deployment.concurrency.unsigned_abs(),
            operations: self.operations.clone(),
            endpoint: !deployment.endpoint.is_empty() || !deployment.endpoints.is_empty(),
            options: deployment.options.keys().cloned().collect(),
        })
    }

    /// Whether it has no such setting for an operation, whatever it has for others. How far a result may go from its picture
    /// is nothing to ask where there is none.
    pub(crate) fn lacks(&self, operation: Operation, setting: &str) -> bool {
        let named =
            self.without.get(&operation).is_some_and(|names| names.iter().any(|name| name == setting));
        named || (setting == "strength" && !operation.needs_reference())
    }

    /// Whether it is past its sunset.
    pub(crate) fn is_gone(&self, now: OffsetDateTime) -> bool {
        self.sunset.is_some_and(|sunset| now.date() >= sunset)
    }
}

/// Sizes that are not in a list.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomSize {
    pub(crate) multiple_of: u32,
    pub(crate) min_pixels: u64,
    pub(crate) max_pixels: u64,
    pub(crate) max_side: u32,
    /// The longer side over the shorter.
    pub(crate) max_ratio: f64,
}

/// From here to there, both included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bounds {
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Bounds {
    fn contain(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

/// Where a model runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) provider_model: String,
    /// Where below the account's address; the adapter's usual place when absent.
    #[serde(default)]
    endpoint: String,
    /// The same for single operations.
    #[serde(default)]
    endpoints: BTreeMap<Operation, String>,
    /// What the adapter is told besides.
    #[serde(default)]
    pub(crate) options: toml::Table,
    /// Such as `eu`.
    #[serde(default)]
    pub(crate) region: String,
    /// What one image costs the operator, in US dollars.
    #[serde(default)]
    pub(crate) cost_usd: f64,
    /// What one image costs here; the model's prices when empty.
    #[serde(default)]
    pub(crate) prices: Vec<PriceRule>,
    /// Generations that run at once, over all workers.
    pub(crate) concurrency: i32,
    /// How many more may lie ready at the workers.
    #[serde(default)]
    pub(crate) prefetch: i32,
    pub(crate) call_timeout_seconds: u32,
    pub(crate) unknown_outcome: UnknownOutcome,
}

impl Deployment {
    /// Where below the account's address an operation is; empty for the adapter's usual place.
    pub(crate) fn endpoint(&self, operation: Operation) -> &str {
        self.endpoints.get(&operation).unwrap_or(&self.endpoint)
    }
}

/// What to do when nobody can say whether the provider accepted a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnknownOutcome {
    Fail,
    Repeat,
}

/// Every model, in the file's order.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) version: String,
    /// Providers that take keys of users.
    pub(crate) own_keys: BTreeMap<String, OwnKeyRule>,
    pub(crate) models: Vec<Model>,
}

impl Catalogue {
    /// What these providers serve of it.
    fn of(mut self, providers: &[String]) -> Self {
        for model in &mut self.models {
            model.deployments.retain(|deployment| providers.contains(&deployment.provider));
        }
        self.models.retain(|model| !model.deployments.is_empty());
        self.own_keys.retain(|provider, _| providers.contains(provider));
        self
    }

    /// The model with this resource name, also one that is gone.
    pub(crate) fn model(&self, name: &str) -> Option<&Model> {
        let id = name.strip_prefix("models/")?;
        self.models.iter().find(|model| model.id == id)
    }

    /// The models that can be used now.
    pub(crate) fn offered(&self, now: OffsetDateTime) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(move |model| !model.is_gone(now))
    }

    /// The deployment with this id.
    pub(crate) fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments().find(|deployment| deployment.id == id)
    }

    /// The other deployments of the same model.
    pub(crate) fn beside<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Deployment> {
        let is_its = move |model: &&Model| model.deployments.iter().any(|deployment| deployment.id == id);
        let models = self.models.iter().filter(is_its);
        models.flat_map(|model| &model.deployments).filter(move |deployment| deployment.id != id)
    }

    /// Every deployment.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.models.iter().flat_map(|model| &model.deployments)
    }
}
