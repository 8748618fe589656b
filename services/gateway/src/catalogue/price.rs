//! The price list of a model: the first rule that fits says what one image costs.

use imagioo_picture::{Operation, Settings, Size};
use imagioo_types::Credits;
use serde::Deserialize;

/// Pixels that are billed as one.
const MEGAPIXEL: u64 = 1 << 20;

/// Most credits that a reference, or a megapixel of one, may add.
const MOST_ADDED: f64 = 1_000_000.0;

/// A rule of the price list. What it does not name it does not ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceRule {
    #[serde(deserialize_with = "credits")]
    pub(crate) credits: Credits,
    /// On top for each reference; up to three decimals.
    #[serde(default)]
    pub(crate) credits_per_reference: f64,
    /// On top for each megapixel that a reference has or begins; up to three decimals.
    #[serde(default)]
    pub(crate) credits_per_input_megapixel: f64,
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

/// The pictures of a request, as far as prices ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Material {
    references: u64,
    /// Of all references, each rounded up.
    megapixels: u64,
}

impl Material {
    /// So many references. One whose size is not known counts as one megapixel, which is the least.
    pub(super) fn of(references: usize, sizes: &[Size]) -> Self {
        let known: u64 = sizes.iter().map(|size| size.pixels().div_ceil(MEGAPIXEL)).sum();
        let unknown = references.saturating_sub(sizes.len()) as u64;
        Self { references: references as u64, megapixels: known + unknown }
    }
}

/// What a price is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) operation: Operation,
    pub(super) settings: &'a Settings,
    pub(super) material: Material,
}

impl PriceRule {
    /// Whether it fits everything, so that no rule after it is ever asked.
    pub(crate) fn is_last(&self) -> bool {
        self.operation.is_none()
            && self.quality.is_none()
            && self.resolution.is_none()
            && self.max_pixels.is_none()
    }

    /// Whether everything that it adds is a number that can be charged exactly.
    pub(super) fn adds_exactly(&self) -> bool {
        let exact = |added: f64| {
            (0.0..=MOST_ADDED).contains(&added) && (added * 1000.0 - thousandths(added) as f64).abs() < 1e-6
        };
        exact(self.credits_per_reference) && exact(self.credits_per_input_megapixel)
    }

    /// Whether it is about this request.
    pub(super) fn fits(&self, subject: Subject<'_>) -> bool {
        let Subject { operation, settings, .. } = subject;
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let small = |most: u64| settings.size.is_some_and(|size| size.pixels() <= most);
        self.operation.is_none_or(|wanted| wanted == operation)
            && same(&self.quality, &settings.quality)
            && same(&self.resolution, &settings.resolution)
            && self.max_pixels.is_none_or(small)
    }

    /// Credits for one image that is made from these pictures.
    pub(super) fn unit_price(&self, material: Material) -> Credits {
        let added =
            thousandths(self.credits_per_reference).saturating_mul(material.references).saturating_add(
                thousandths(self.credits_per_input_megapixel).saturating_mul(material.megapixels),
            );
        let added = i64::try_from(added.div_ceil(1000)).unwrap_or(i64::MAX);
        Credits::new(self.credits.get().saturating_add(added))
    }
}

/// Decimal fractions have no exact sum in binary; these do.
fn thousandths(credits: f64) -> u64 {
    (credits * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> PriceRule {
        toml::from_str(text).expect("a rule")
    }

    fn price(text: &str, references: usize, sizes: &[(u32, u32)]) -> i64 {
        let sizes: Vec<_> = sizes.iter().map(|&(width, height)| Size { width, height }).collect();
        rule(text).unit_price(Material::of(references, &sizes)).get()
    }

    #[test]
    fn references_cost_by_number_and_by_begun_megapixels_rounded_up_once() {
        let tenth = "credits = 2\ncredits_per_input_megapixel = 0.1";
        assert_eq!(price(tenth, 0, &[]), 2);
        assert_eq!(price(tenth, 3, &[(1024, 1024); 3]), 3, "three tenths are one credit, not three");
        assert_eq!(price(tenth, 16, &[(1600, 1310); 16]), 2 + 4, "sixteen times two megapixels");
        assert_eq!(price(tenth, 10, &[]), 3, "exactly one credit, however fractions add up");
        let pro = "credits = 3\ncredits_per_input_megapixel = 1.5";
        assert_eq!(price(pro, 1, &[(1024, 1025)]), 6, "a second megapixel has begun");
        assert_eq!(price(pro, 2, &[(1024, 1024)]), 6, "one of unknown size counts as one megapixel");
        assert_eq!(price("credits = 1\ncredits_per_reference = 2", 3, &[(4000, 4000); 3]), 7);
    }

    #[test]
    fn what_cannot_be_charged_exactly_is_told_apart() {
        for good in ["0.2", "1.5", "0.001", "3", "1000000"] {
            assert!(rule(&format!("credits = 1\ncredits_per_reference = {good}")).adds_exactly(), "{good}");
        }
        for bad in ["-1", "0.0005", "nan", "inf", "1000001"] {
            let text = format!("credits = 1\ncredits_per_input_megapixel = {bad}");
            assert!(!rule(&text).adds_exactly(), "{bad}");
        }
    }
}
