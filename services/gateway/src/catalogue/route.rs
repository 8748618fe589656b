//! Where a generation may run: the deployments that its caller consented to, in the catalogue's order.

use imagioo_types::Credits;
use serde::{Deserialize, Serialize};

use super::{Deployment, KeySource, Model, OwnKeys};

/// What a caller consents to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Consent {
    /// Where images may be made; anywhere when empty, but then never anywhere else than at first.
    pub(crate) regions: Vec<String>,
    /// Whether another deployment may go on where one failed.
    pub(crate) fallback: bool,
    /// Whether it may cost more.
    pub(crate) dearer: bool,
    /// On whose key it may run.
    pub(crate) key: KeySource,
}

/// One deployment of a route, stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Stop {
    pub(crate) deployment: String,
    /// What one image costs there.
    pub(crate) credits: i64,
    /// Whether it runs there on its owner's key, at the price of the service alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) own_key: bool,
}

impl Stop {
    /// What one image costs there.
    pub(crate) fn unit_price(&self) -> Credits {
        Credits::new(self.credits)
    }
}

impl Model {
    /// The deployments that `consent` allows, the preferred one first, those on the caller's own keys before the others;
    /// empty when there is none in the wished regions, none on the wished keys, or only dearer ones than a key that was
    /// rejected.
    pub(super) fn route(
        &self,
        (consent, keys): (&Consent, &OwnKeys),
        price: impl Fn(&Deployment) -> Credits,
    ) -> Vec<Stop> {
        let mut allowed = self.wished(consent).peekable();
        let Some(home) = allowed.peek().map(|first| first.region.as_str()) else { return Vec::new() };
        let near = |deployment: &&Deployment| !consent.regions.is_empty() || deployment.region == home;
        let near: Vec<_> = allowed.filter(near).collect();
        let missed = near.iter().filter_map(|deployment| keys.missed(deployment, consent.key)).min();
        let stops =
            near.iter().filter_map(|deployment| keys.stop(deployment, price(deployment), consent.key));
        let affordable = |stop: &Stop| consent.dearer || missed.is_none_or(|missed| stop.credits <= missed);
        let mut stops: Vec<_> = stops.filter(affordable).collect();
        stops.sort_by_key(|stop| !stop.own_key);
        let most = stops.first().map_or(0, |first| first.credits);
        let agreed = |place: usize, stop: &Stop| {
            place == 0 || (consent.fallback && (consent.dearer || stop.credits <= most))
        };
        let stops = stops.into_iter().enumerate().filter(|(place, stop)| agreed(*place, stop));
        stops.map(|(_, stop)| stop).collect()
    }

    /// The deployments in the wished regions.
    pub(super) fn wished<'a>(&'a self, consent: &'a Consent) -> impl Iterator<Item = &'a Deployment> {
        let wished = |region: &String| consent.regions.is_empty() || consent.regions.contains(region);
        self.deployments.iter().filter(move |deployment| wished(&deployment.region))
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
    use crate::catalogue::options::Files;
    use crate::catalogue::{OwnKeyRule, Standing, file};

    fn model() -> Model {
        let deployment = |id: &str, region: &str, credits: i64| {
            let provider = if id == "dearer" { "q" } else { "p" };
            format!(
                "[[models.deployments]]\nid = \"{id}\"\nprovider = \"{provider}\"\nprovider_model = \"m\"\n\
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

    fn route_with(consent: &Consent, keys: &OwnKeys) -> Vec<(String, i64, bool)> {
        let price = |deployment: &Deployment| deployment.prices[0].credits;
        let stops = model().route((consent, keys), price).into_iter();
        stops.map(|stop| (stop.deployment, stop.credits, stop.own_key)).collect()
    }

    fn route(consent: &Consent) -> Vec<String> {
        route_with(consent, &OwnKeys::default()).into_iter().map(|(id, ..)| id).collect()
    }

    /// The caller's key for the provider `q`, where the service costs 2.
    fn keys(standing: Standing) -> OwnKeys {
        let rule = OwnKeyRule { credits: Credits::new(2) };
        OwnKeys::of(&[("q".to_owned(), rule)].into(), &model(), |_| standing)
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

    #[test]
    fn a_key_of_the_callers_own_comes_first_and_the_operators_counts_as_dearer() {
        let stop = |id: &str, credits, own_key| (id.to_owned(), credits, own_key);
        let own = [stop("dearer", 2, true)];
        let either = Consent::default();
        assert_eq!(route_with(&either, &keys(Standing::Active)), own);
        let fallback = Consent { fallback: true, ..either.clone() };
        assert_eq!(route_with(&fallback, &keys(Standing::Active)), own, "the others cost more");
        let dearer = Consent { dearer: true, ..fallback };
        let all = [own[0].clone(), stop("first", 5, false), stop("cheaper", 3, false)];
        assert_eq!(route_with(&dearer, &keys(Standing::Active)), all);
        let on = |key| Consent { key, ..dearer.clone() };
        assert_eq!(route_with(&on(KeySource::Own), &keys(Standing::Active)), own);
        let without = [stop("first", 5, false), stop("cheaper", 3, false), stop("dearer", 8, false)];
        assert_eq!(route_with(&on(KeySource::Operator), &keys(Standing::Active)), without);
        assert_eq!(route_with(&on(KeySource::Own), &keys(Standing::Missing)), []);
        let abroad = Consent { regions: vec!["us".to_owned()], ..either };
        assert_eq!(route_with(&abroad, &keys(Standing::Active)), [stop("abroad", 4, false)]);
    }

    #[test]
    fn after_a_rejection_nothing_dearer_is_taken_without_consent() {
        let (either, keys) = (Consent::default(), keys(Standing::Rejected));
        assert_eq!(route_with(&either, &keys), []);
        assert_eq!(route_with(&Consent { key: KeySource::Own, ..either.clone() }, &keys), []);
        for agreed in [
            Consent { dearer: true, ..either.clone() },
            Consent { key: KeySource::Operator, ..either.clone() },
        ] {
            assert_eq!(route_with(&agreed, &keys), [("first".to_owned(), 5, false)]);
        }
        let abroad = Consent { regions: vec!["us".to_owned()], ..either };
        assert_eq!(route_with(&abroad, &keys), [("abroad".to_owned(), 4, false)], "it was not for there");
    }
}
