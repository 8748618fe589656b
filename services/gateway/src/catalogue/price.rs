//! The price list of a model: the first rule that fits says what one image costs.

use imagioo_picture::{Operation, Settings};
use imagioo_types::Credits;
use serde::Deserialize;

/// A rule of the price list. What it does not name it does not ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceRule {
    #[serde(deserialize_with = "credits")]
    pub(crate) credits: Credits,
    #[serde(default)]
    pub(crate) operation: Option<Operation>,
    #[serde(default)]
    pub(crate) quality: Option<String>,
    #[serde(default)]
    pub(crate) resolution: Option<String>,
    /// Images of at most so many pixels.
    #[serde(default)]
    pub(crate) max_pixels: Option<u64>,
}

pub(super) fn credits<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Credits, D::Error> {
    i64::deserialize(deserializer).map(Credits::new)
}

impl PriceRule {
    /// Whether it fits everything, so that no rule after it is ever asked.
    pub(crate) fn is_last(&self) -> bool {
        self.operation.is_none()
            && self.quality.is_none()
            && self.resolution.is_none()
            && self.max_pixels.is_none()
    }

    /// Whether it is about this request. `pixels` is what one image has, where that is known.
    pub(super) fn fits(&self, operation: Operation, settings: &Settings, pixels: Option<u64>) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        self.operation.is_none_or(|wanted| wanted == operation)
            && same(&self.quality, &settings.quality)
            && same(&self.resolution, &settings.resolution)
            && self.max_pixels.is_none_or(|most| pixels.is_some_and(|pixels| pixels <= most))
    }
}
