//! What a caller asks of a model, checked against what the model can do, and priced.

use imagioo_types::{Credits, CreditsOverflow};

use super::{Format, Model, Operation, Settings};

/// A request before it is checked; empty and absent mean the model's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) operation: Option<Operation>,
    pub(crate) size: String,
    pub(crate) quality: String,
    pub(crate) format: Option<Format>,
    pub(crate) seed: Option<i64>,
    pub(crate) count: i32,
}

/// A request that the model can serve, and its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) operation: Operation,
    pub(crate) settings: Settings,
    pub(crate) count: i32,
    pub(crate) price: Credits,
}

/// Fields that the model cannot serve, each with what it could do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported(pub(crate) Vec<(&'static str, String)>);

impl Model {
    /// Checks a request, fills in defaults and prices it.
    pub(crate) fn price(&self, asked: &Asked) -> Result<Priced, Unsupported> {
        let mut problems = Vec::new();
        let operation = asked.operation.unwrap_or(Operation::TextToImage);
        if !self.operations.contains(&operation) {
            problems.push(("operation", format!("{} cannot do this", self.name())));
        }
        let size = choose("settings.size", &asked.size, &self.sizes, &mut problems);
        let quality = choose("settings.quality", &asked.quality, &self.qualities, &mut problems);
        let format = asked.format.or(self.formats.first().copied()).unwrap_or(Format::Png);
        if !self.formats.contains(&format) {
            let formats: Vec<_> = self.formats.iter().map(|format| format.as_str()).collect();
            problems.push(("settings.format", format!("must be one of {}", formats.join(", "))));
        }
        if asked.seed.is_some() && !self.seed {
            problems.push(("settings.seed", format!("{} takes no seed: leave it out", self.name())));
        }
        let count = if asked.count == 0 { 1 } else { asked.count };
        if !(1..=self.max_count).contains(&count) {
            problems.push(("count", format!("must be 1 to {}", self.max_count)));
        }
        let price = self.unit_price(quality.as_deref()).times(i64::from(count));
        match (price, size) {
            (Ok(price), Some(size)) if problems.is_empty() => {
                let settings = Settings { size, quality, format, seed: asked.seed };
                Ok(Priced { operation, settings, count, price })
            }
            (Err(CreditsOverflow), _) => Err(Unsupported(vec![("count", "costs too much".to_owned())])),
            _ => Err(Unsupported(problems)),
        }
    }

    fn unit_price(&self, quality: Option<&str>) -> Credits {
        let special = self.quality_prices.iter().find(|(name, _)| Some(name.as_str()) == quality);
        special.map_or(self.price, |(_, price)| *price)
    }
}

/// The asked value if the model has it, the default if nothing was asked.
fn choose(
    field: &'static str,
    asked: &str,
    offered: &[String],
    problems: &mut Vec<(&'static str, String)>,
) -> Option<String> {
    if asked.is_empty() {
        return offered.first().cloned();
    }
    if offered.iter().any(|offer| offer == asked) {
        return Some(asked.to_owned());
    }
    problems.push((
        field,
        if offered.is_empty() {
            "the model has no such setting: leave it out".to_owned()
        } else {
            format!("must be one of {}", offered.join(", "))
        },
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;

    const CATALOGUE: &str = include_str!("../../../../deploy/config/catalogue.toml");

    #[test]
    fn defaults_are_filled_in_and_every_image_is_priced() {
        let catalogue = Catalogue::parse(CATALOGUE).expect("valid");
        let model = catalogue.model("models/sketch").expect("shipped");
        let priced = model.price(&Asked { count: 3, ..Asked::default() }).expect("supported");
        assert_eq!(priced.settings.size, "1024x1024");
        assert_eq!(priced.price, Credits::new(3));
    }

    #[test]
    fn each_unsupported_field_is_named_with_what_would_do() {
        let catalogue = Catalogue::parse(CATALOGUE).expect("valid");
        let model = catalogue.model("models/sketch").expect("shipped");
        let asked = Asked { size: "7x7".into(), quality: "high".into(), count: 5, ..Asked::default() };
        let Unsupported(problems) = model.price(&asked).expect_err("three problems");
        let fields: Vec<_> = problems.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["settings.size", "settings.quality", "count"]);
        assert!(problems[0].1.contains("1024x1024"));
    }
}
