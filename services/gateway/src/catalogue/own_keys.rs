//! Keys that users bring along: which providers take them, what an image on one costs here, and where that leads a request.

use std::collections::BTreeMap;

use imagioo_types::Credits;
use serde::Deserialize;

use super::price::credits;
use super::{Deployment, Model, Stop};

/// What users' own keys are allowed and charged at one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnKeyRule {
    /// The service's price of one image.
    #[serde(deserialize_with = "credits")]
    pub(crate) credits: Credits,
}

/// On whose key a request may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The caller's where there is one, otherwise the operator's.
    #[default]
    Either,
    Own,
    Operator,
}

/// What a caller has for one provider that takes own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    Active,
    /// The provider did not take it.
    Rejected,
}

/// What a caller's own keys mean for a request, by provider; only providers that take some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnKeys(BTreeMap<String, (OwnKeyRule, Standing)>);

impl OwnKeys {
    /// What the caller has at the providers of a model.
    pub(crate) fn of(
        rules: &BTreeMap<String, OwnKeyRule>,
        model: &Model,
        standing: impl Fn(&str) -> Standing,
    ) -> Self {
        let providers = model.deployments.iter().map(|deployment| &deployment.provider);
        let known = providers.filter_map(|provider| Some((provider, rules.get(provider)?)));
        Self(known.map(|(provider, rule)| (provider.clone(), (*rule, standing(provider)))).collect())
    }

    /// A deployment as a place to run; `operators` is what one image costs there on the operator's key. Nothing when no key
    /// that is there is wished.
    pub(super) fn stop(&self, deployment: &Deployment, operators: Credits, key: KeySource) -> Option<Stop> {
        let active = self.at(deployment).filter(|(_, standing)| *standing == Standing::Active);
        let (price, own_key) = match (key, active) {
            (KeySource::Either | KeySource::Own, Some((rule, _))) => (rule.credits, true),
            (KeySource::Own, None) => return None,
            (KeySource::Either | KeySource::Operator, _) => (operators, false),
        };
        Some(Stop { deployment: deployment.id.clone(), credits: price.get(), own_key })
    }

    /// What one image would have cost on a key of the caller's that was rejected: whoever set one did not agree to more.
    pub(super) fn missed(&self, deployment: &Deployment, key: KeySource) -> Option<i64> {
        let (rule, standing) = self.at(deployment)?;
        (key == KeySource::Either && *standing == Standing::Rejected).then_some(rule.credits.get())
    }

    fn at(&self, deployment: &Deployment) -> Option<&(OwnKeyRule, Standing)> {
        self.0.get(&deployment.provider)
    }

    /// What a caller can do for whose request there is no place left.
    pub(super) fn advice(&self, key: KeySource) -> String {
        let with = |wanted: Standing| {
            let found = self.0.iter().filter(|(_, (_, standing))| *standing == wanted);
            found.map(|(provider, _)| provider.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (missing, rejected) = (with(Standing::Missing), with(Standing::Rejected));
        match (rejected.as_str(), missing.as_str(), key) {
            ("", "", _) => "where it runs nobody's own key is taken: leave it out".to_owned(),
            ("", missing, _) => {
                format!("you have no key of your own for {missing}: set one, or leave it out")
            }
            (rejected, _, KeySource::Own) => {
                format!("your own key for {rejected} was rejected there: set a new one")
            }
            (rejected, ..) => format!(
                "your own key for {rejected} was rejected there: set a new one or delete it; OPERATOR runs \
                 without it, at the price of the catalogue"
            ),
        }
    }
}
