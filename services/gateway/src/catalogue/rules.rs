//! What a catalogue must hold to be used.

use std::collections::{BTreeMap, HashSet};

use imagioo_picture::Operation;

use super::{Bounds, Deployment, Model, OwnKeyRule, PriceRule};

/// The settings that an operation may be without.
const SETTINGS: [&str; 11] = [
    "size",
    "aspect_ratio",
    "resolution",
    "quality",
    "background",
    "compression",
    "seed",
    "negative_prompt",
    "guidance",
    "steps",
    "strength",
];

/// Everything that is wrong with these models.
pub(super) fn mistakes(models: &[Model]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut ids, mut queues) = (HashSet::new(), HashSet::new());
    if models.is_empty() {
        found.push("there is no model".to_owned());
    }
    let names: HashSet<&str> = models.iter().map(|model| model.id.as_str()).collect();
    for model in models {
        let mut wrong = wrong_with(model);
        if !ids.insert(&model.id) {
            wrong.push("the id is used twice");
        }
        if model.successor.as_ref().is_some_and(|successor| !names.contains(successor.as_str())) {
            wrong.push("its successor is not in the catalogue");
        }
        wrong.extend(wrong_with_prices(model, &model.prices));
        for deployment in &model.deployments {
            wrong.extend(wrong_with_deployment(deployment));
            if !deployment.prices.is_empty() {
                wrong.extend(wrong_with_prices(model, &deployment.prices));
            }
            if !queues.insert(&deployment.id) {
                wrong.push("the deployment's id is used twice");
            }
        }
        found.extend(wrong.into_iter().map(|what| format!("model {}: {what}", model.id)));
    }
    found
}

fn wrong_with(model: &Model) -> Vec<&'static str> {
    let can = |operation| model.operations.contains(&operation);
    let has_size = !model.sizes.is_empty() || model.custom_size.is_some() || !model.aspect_ratios.is_empty();
    let pictures = model.operations.iter().any(|operation| operation.needs_reference());
    let bounds = [model.guidance, model.steps, model.strength];
    let is_wrong = |bounds: &Bounds| bounds.min.is_nan() || bounds.max.is_nan() || bounds.min > bounds.max;
    let custom = model.custom_size.as_ref();
    let checks = [
        (!is_id(&model.id), "the id may have lower-case letters, digits, dots and hyphens only"),
        (model.operations.is_empty(), "it has no operation"),
        (can(Operation::TextToImage) && !has_size, "it has neither sizes, custom_size nor aspect_ratios"),
        (model.sizes.iter().any(|size| size.width.max(size.height) > 16_384), "a size is above 16384 pixels"),
        (
            custom.is_some_and(|size| size.multiple_of == 0 || size.min_pixels > size.max_pixels),
            "custom_size allows nothing",
        ),
        (model.formats.is_empty(), "it has no format"),
        (!(1..=100).contains(&model.max_count), "max_count must be 1 to 100"),
        (pictures != (model.max_references > 0), "max_references does not suit its operations"),
        (model.max_references > 16, "max_references must be at most 16"),
        (
            can(Operation::Upscale) == model.upscale_factors.is_empty(),
            "upscale_factors does not suit its operations",
        ),
        (bounds.iter().flatten().any(is_wrong), "a setting's bounds allow nothing"),
        (model.without.keys().any(|operation| !can(*operation)), "without names an operation that it lacks"),
        (
            model.without.values().flatten().any(|setting| !SETTINGS.contains(&setting.as_str())),
            "without names a setting that there is not",
        ),
        (model.deployments.is_empty(), "it has no deployment"),
    ];
    checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, what)| what).collect()
}

fn wrong_with_prices(model: &Model, prices: &[PriceRule]) -> impl Iterator<Item = &'static str> {
    let lacks = |known: &[String], named: fn(&PriceRule) -> Option<&String>| {
        prices.iter().filter_map(named).any(|one| !known.contains(one))
    };
    let checks = [
        (prices.iter().any(|rule| rule.credits.get() < 0), "a price is negative"),
        (
            !prices.iter().all(PriceRule::adds_exactly),
            "what a price adds for references must be 0 to 1000000, with up to three decimals",
        ),
        (!prices.last().is_some_and(PriceRule::is_last), "its last price must be one for everything"),
        (prices.iter().rev().skip(1).any(PriceRule::is_last), "a price for everything hides those after it"),
        (
            lacks(&model.qualities, |rule| rule.quality.as_ref()),
            "a price names a quality that the model lacks",
        ),
        (
            lacks(&model.resolutions, |rule| rule.resolution.as_ref()),
            "a price names a resolution that the model lacks",
        ),
    ];
    checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, what)| what)
}

fn wrong_with_deployment(deployment: &Deployment) -> impl Iterator<Item = &'static str> {
    let checks = [
        (!is_id(&deployment.id), "the deployment's id has characters that a queue name may not have"),
        (deployment.provider.is_empty(), "the deployment has no provider"),
        (deployment.concurrency < 1, "the deployment's concurrency must be at least 1"),
        (!(0..=10_000).contains(&deployment.prefetch), "the deployment's prefetch must be 0 to 10000"),
        (deployment.call_timeout_seconds < 1, "call_timeout_seconds must be at least 1"),
        (
            !(deployment.cost_usd >= 0.0 && deployment.cost_usd.is_finite()),
            "cost_usd must be a number from zero",
        ),
    ];
    checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, what)| what)
}

/// Everything that is wrong with the providers that take keys of users.
pub(super) fn wrong_with_own_keys(
    rules: &BTreeMap<String, OwnKeyRule>,
    models: &[Model],
) -> impl Iterator<Item = String> {
    let providers = models.iter().flat_map(|model| &model.deployments).map(|deployment| &deployment.provider);
    let known: HashSet<_> = providers.collect();
    rules.iter().flat_map(move |(provider, rule)| {
        let checks = [
            (!known.contains(provider), "no deployment has this provider"),
            (rule.credits.get() < 0, "the price is negative"),
        ];
        let wrong = checks.into_iter().filter(|(is_wrong, _)| *is_wrong);
        wrong.map(move |(_, what)| format!("own_keys.{provider}: {what}"))
    })
}

fn is_id(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
