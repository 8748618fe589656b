//! Models.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::settings::{background, operation};
use super::{generation, text, word};
use crate::when;

/// A model.
#[derive(Debug, Serialize)]
pub(crate) struct ModelAnswer {
    name: String,
    title: String,
    operations: Vec<String>,
    sizes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_size: Option<CustomSize>,
    aspect_ratios: Vec<String>,
    resolutions: Vec<String>,
    qualities: Vec<String>,
    formats: Vec<String>,
    backgrounds: Vec<String>,
    max_count: i32,
    max_references: i32,
    upscale_factors: Vec<i32>,
    seed: bool,
    negative_prompt: bool,
    compression: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    guidance: Option<Bounds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Bounds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<Bounds>,
    price: i64,
    prices: Vec<PriceAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<String>,
    regions: Vec<String>,
    deployments: Vec<DeploymentAnswer>,
}

#[derive(Debug, Serialize)]
struct CustomSize {
    multiple_of: i32,
    min_pixels: i64,
    max_pixels: i64,
    max_side: i32,
    max_ratio: f64,
}

#[derive(Debug, Serialize)]
struct Bounds {
    min: f64,
    max: f64,
}

/// A rule of the price list; what it does not ask for is left out.
#[derive(Debug, Serialize)]
struct PriceAnswer {
    credits: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_per_reference: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_per_input_megapixel: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pixels: Option<i64>,
}

/// A place where a model runs.
#[derive(Debug, Serialize)]
struct DeploymentAnswer {
    id: String,
    region: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_time: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prices: Vec<PriceAnswer>,
}

/// The formats of a model as words.
pub(crate) fn formats(model: &wire::Model) -> Vec<String> {
    model.formats().map(generation::format).collect()
}

/// The operations of a model as words.
pub(crate) fn operations(model: &wire::Model) -> Vec<String> {
    model.operations().filter_map(operation).collect()
}

/// How a deployment is doing, as a word.
pub(crate) fn state(deployment: &wire::ModelDeployment) -> String {
    word(deployment.state().as_str_name(), "DEPLOYMENT_STATE_")
}

impl From<&wire::Model> for ModelAnswer {
    fn from(model: &wire::Model) -> Self {
        Self {
            name: model.name.clone(),
            title: model.title.clone(),
            operations: operations(model),
            sizes: model.sizes.clone(),
            custom_size: model.custom_size.map(CustomSize::from),
            aspect_ratios: model.aspect_ratios.clone(),
            resolutions: model.resolutions.clone(),
            qualities: model.qualities.clone(),
            formats: formats(model),
            backgrounds: model.backgrounds().filter_map(background).collect(),
            max_count: model.max_count,
            max_references: model.max_references,
            upscale_factors: model.upscale_factors.clone(),
            seed: model.seed,
            negative_prompt: model.negative_prompt,
            compression: model.compression,
            guidance: model.guidance.map(Bounds::from),
            steps: model.steps.map(Bounds::from),
            strength: model.strength.map(Bounds::from),
            price: model.price,
            prices: model.prices.iter().map(PriceAnswer::from).collect(),
            sunset_time: when::exact(model.sunset_time.as_ref()),
            successor: text(&model.successor),
            regions: model.regions.clone(),
            deployments: model.deployments.iter().map(DeploymentAnswer::from).collect(),
        }
    }
}

impl From<wire::CustomSize> for CustomSize {
    fn from(size: wire::CustomSize) -> Self {
        let wire::CustomSize { multiple_of, min_pixels, max_pixels, max_side, max_ratio } = size;
        Self { multiple_of, min_pixels, max_pixels, max_side, max_ratio }
    }
}

impl From<wire::Bounds> for Bounds {
    fn from(bounds: wire::Bounds) -> Self {
        Self { min: bounds.min, max: bounds.max }
    }
}

impl From<&wire::Price> for PriceAnswer {
    fn from(price: &wire::Price) -> Self {
        let added = |credits: f64| Some(credits).filter(|credits| *credits > 0.0);
        Self {
            credits: price.credits,
            credits_per_reference: added(price.credits_per_reference),
            credits_per_input_megapixel: added(price.credits_per_input_megapixel),
            operation: operation(price.operation()),
            quality: text(&price.quality),
            resolution: text(&price.resolution),
            max_pixels: Some(price.max_pixels).filter(|most| *most > 0),
        }
    }
}

impl From<&wire::ModelDeployment> for DeploymentAnswer {
    fn from(deployment: &wire::ModelDeployment) -> Self {
        Self {
            id: deployment.id.clone(),
            region: deployment.region.clone(),
            state: state(deployment),
            retry_time: when::exact(deployment.retry_time.as_ref()),
            reason: deployment.reason.clone(),
            prices: deployment.prices.iter().map(PriceAnswer::from).collect(),
        }
    }
}
