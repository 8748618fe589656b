//! Where a generation may run: the deployments that its caller consented to, in the catalogue's order.

use imagioo_types::Credits;
use serde::{Deserialize, Serialize};

use super::{Deployment, Model};

/// What a caller consents to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Consent {
    /// Where images may be made; anywhere when empty, but then never anywhere else than at first.
    pub(crate) regions: Vec<String>,
    /// Whether another deployment may go on where one failed.
    pub(crate) fallback: bool,
    /// Whether it may cost more.
    pub(crate) dearer: bool,
}

/// One deployment of a route, stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Stop {
    pub(crate) deployment: String,
    /// What one image costs there.
    pub(crate) credits: i64,
}

impl Stop {
    /// What one image costs there.
    pub(crate) fn unit_price(&self) -> Credits {
        Credits::new(self.credits)
    }
}

impl Model {
    /// The deployments that `consent` allows, the preferred one first; empty when there is none in the wished regions.
    pub(super) fn route(&self, consent: &Consent, price: impl Fn(&Deployment) -> Credits) -> Vec<Stop> {
        let wished = |region: &String| consent.regions.is_empty() || consent.regions.contains(region);
        let mut allowed = self.deployments.iter().filter(|deployment| wished(&deployment.region));
        let Some(first) = allowed.next() else { return Vec::new() };
        let at = |deployment: &Deployment| Stop {
            deployment: deployment.id.clone(),
            credits: price(deployment).get(),
        };
        let agreed = |deployment: &&Deployment| {
            consent.fallback
                && (!consent.regions.is_empty() || deployment.region == first.region)
                && (consent.dearer || price(deployment) <= price(first))
        };
        [first].into_iter().chain(allowed.filter(agreed)).map(at).collect()
    }

    /// Every region it runs in, sorted.
    pub(crate) fn regions(&self) -> Vec<String> {
        let named = self.deployments.iter().map(|deployment| deployment.region.clone());
        let mut regions: Vec<_> = named.filter(|region| !region.is_empty()).collect();
        regions.sort();
        regions.dedup();
        regions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::file;
    use crate::catalogue::options::Files;

    fn model() -> Model {
        let deployment = |id: &str, region: &str, credits: i64| {
            format!(
                "[[models.deployments]]\nid = \"{id}\"\nprovider = \"p\"\nprovider_model = \"m\"\n\
                 region = \"{region}\"\nprices = [{{ credits = {credits} }}]\nconcurrency = 1\n\
                 call_timeout_seconds = 1\nunknown_outcome = \"fail\"\n"
            )
        };
        let text = format!(
            "version = \"1\"\n[[models]]\nid = \"m\"\ntitle = \"M\"\noperations = [\"text_to_image\"]\n\
             sizes = [\"64x64\"]\nformats = [\"png\"]\nmax_count = 1\nprices = [{{ credits = 9 }}]\n{}{}{}{}",
            deployment("first", "eu", 5),
            deployment("cheaper", "eu", 3),
            deployment("dearer", "eu", 8),
            deployment("abroad", "us", 4),
        );
        file::parse(&text, Files::BuiltIn).expect("valid").models.remove(0)
    }

    fn route(consent: &Consent) -> Vec<String> {
        let price = |deployment: &Deployment| deployment.prices[0].credits;
        model().route(consent, price).into_iter().map(|stop| stop.deployment).collect()
    }

    #[test]
    fn without_consent_there_is_one_place() {
        assert_eq!(route(&Consent::default()), ["first"]);
        let abroad = Consent { regions: vec!["us".to_owned()], ..Consent::default() };
        assert_eq!(route(&abroad), ["abroad"]);
        assert!(route(&Consent { regions: vec!["moon".to_owned()], ..Consent::default() }).is_empty());
    }

    #[test]
    fn neither_another_region_nor_a_dearer_place_is_taken_without_consent() {
        let same = Consent { fallback: true, ..Consent::default() };
        assert_eq!(route(&same), ["first", "cheaper"]);
        assert_eq!(route(&Consent { dearer: true, ..same.clone() }), ["first", "cheaper", "dearer"]);
        let both = vec!["eu".to_owned(), "us".to_owned()];
        assert_eq!(route(&Consent { regions: both, ..same }), ["first", "cheaper", "abroad"]);
    }
}
