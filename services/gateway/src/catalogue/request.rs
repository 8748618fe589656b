//! What a caller asks of a model, checked against what the model can do, and priced.

use imagioo_picture::{Operation, Settings, Size};
use imagioo_types::{Credits, CreditsOverflow};

use super::price::{Material, Subject};
use super::{Consent, Deployment, Model, OwnKeys, Stop};

mod check;

use check::Check;

/// A request before it is checked; absent means the model's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) operation: Option<Operation>,
    pub(crate) settings: Settings,
    pub(crate) negative_prompt: bool,
    pub(crate) count: i32,
    pub(crate) references: usize,
    /// The pixels of the first ones, as far as they are known.
    pub(crate) sizes: Vec<Size>,
    pub(crate) mask: bool,
    /// Where it may run.
    pub(crate) consent: Consent,
    /// On which keys of the caller.
    pub(crate) own_keys: OwnKeys,
}

/// A request that the model can serve, where, and at what price.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Priced {
    /// Where it may run, the preferred place first; never empty.
    pub(crate) route: Vec<Stop>,
    pub(crate) operation: Operation,
    pub(crate) settings: Settings,
    pub(crate) count: i32,
    /// Credits for every image at the dearest place of the route.
    pub(crate) price: Credits,
}

/// Fields that the model cannot serve, each with what it could do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported(pub(crate) Vec<(&'static str, String)>);

impl Asked {
    /// What is to be done, if the request does not say: found from what it brings along.
    pub(crate) fn operation(&self) -> Operation {
        self.operation.unwrap_or(match (self.references, self.mask, self.settings.margins) {
            (_, true, _) => Operation::Inpaint,
            (_, _, Some(_)) => Operation::Outpaint,
            (0, ..) => Operation::TextToImage,
            _ => Operation::ImageToImage,
        })
    }
}

impl Model {
    /// Checks a request, fills in defaults, finds its route and prices it.
    pub(crate) fn price(&self, asked: &Asked) -> Result<Priced, Unsupported> {
        let operation = asked.operation();
        let mut check = Check { model: self, operation, problems: Vec::new() };
        check.pictures(asked);
        let settings = check.settings(asked);
        let count = if asked.count == 0 { 1 } else { asked.count };
        check.unless((1..=self.max_count).contains(&count), "count", || {
            format!("must be 1 to {}", self.max_count)
        });
        let material = Material::of(asked.references, &asked.sizes);
        let subject = Subject { operation, settings: &settings, material };
        let price = |deployment: &Deployment| self.unit_price(Some(deployment), subject);
        let route = self.route((&asked.consent, &asked.own_keys), price);
        let is_somewhere = self.wished(&asked.consent).next().is_some();
        check.unless(is_somewhere, "routing.regions", || {
            format!("it runs in {} only", self.regions().join(", "))
        });
        check.unless(!is_somewhere || !route.is_empty(), "routing.key_source", || {
            asked.own_keys.advice(asked.consent.key)
        });
        if !check.problems.is_empty() {
            return Err(Unsupported(check.problems));
        }
        let dearest = route.iter().map(Stop::unit_price).max().unwrap_or(Credits::ZERO);
        let price = dearest.times(i64::from(count));
        let price =
            price.map_err(|CreditsOverflow| Unsupported(vec![("count", "costs too much".to_owned())]))?;
        Ok(Priced { route, operation, settings, count, price })
    }

    /// Credits for one image with every default.
    pub(crate) fn base_price(&self) -> Credits {
        let operation = self.operations.first().copied().unwrap_or(Operation::TextToImage);
        let settings = Settings {
            size: self.sizes.first().copied(),
            quality: self.qualities.first().cloned(),
            resolution: self.resolutions.first().cloned(),
            ..Settings::default()
        };
        let material = Material::of(operation.needs_reference().into(), &[]);
        self.unit_price(self.deployments.first(), Subject { operation, settings: &settings, material })
    }

    /// What one image costs at a deployment, whose own prices come first.
    fn unit_price(&self, deployment: Option<&Deployment>, subject: Subject<'_>) -> Credits {
        let own = deployment.map(|deployment| &deployment.prices).filter(|prices| !prices.is_empty());
        let prices = own.unwrap_or(&self.prices);
        let rule = prices.iter().find(|rule| rule.fits(subject));
        rule.or(prices.last()).map_or(Credits::ZERO, |rule| rule.unit_price(subject.material))
    }
}

#[cfg(test)]
mod tests;
