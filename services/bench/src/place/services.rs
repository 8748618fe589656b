//! What the services of the benchmark are told: its model, its third parties, and limits that are never reached.

use anyhow::Context as _;
use toml::{Table, toml};

use super::{CREDITS, Setting};

/// The model that the fake provider serves.
const CATALOGUE: &str = include_str!("../catalogue.toml");

/// What the services are told, each with its name.
pub(super) fn overrides(setting: &Setting<'_>, catalogue: &str) -> Vec<(&'static str, Table)> {
    let mut all = vec![("gateway", gateway(catalogue)), ("billing", billing())];
    let Some((provider, sink)) = setting.parties else { return all };
    all.push(("worker", worker(&provider.base_url(), setting.calls)));
    all.extend(["gateway", "worker"].map(|service| (service, storage(&sink.endpoint()))));
    if setting.is_shaken {
        let timing = toml! { timing = { lease_seconds = 3, unstarted_seconds = 4, sweep_seconds = 1 } };
        all.push(("gateway", timing));
    }
    all
}

/// The catalogue with so many calls at once.
pub(super) fn models(calls: u32) -> anyhow::Result<String> {
    let mut catalogue: Table = CATALOGUE.parse()?;
    let deployment =
        catalogue.get_mut("models").and_then(|models| models.get_mut(0)?.get_mut("deployments")?.get_mut(0));
    let deployment = deployment.context("the catalogue has no deployment")?;
    for bound in ["concurrency", "prefetch"] {
        deployment.as_table_mut().context("a deployment is a table")?.insert(bound.to_owned(), calls.into());
    }
    Ok(catalogue.to_string())
}

/// Limits are counted as ever, and never reached.
fn gateway(catalogue: &str) -> Table {
    toml! {
        catalogue_file = catalogue
        share = { in_flight = 10000 }
        [limits]
        user_per_second = 10000
        user_burst = 10000
        address_per_minute = 10000
        address_burst = 10000
    }
}

fn billing() -> Table {
    toml! { registration = { credits = CREDITS } }
}

fn worker(base_url: &str, calls: u32) -> Table {
    toml! {
        deployments = [{ id = "bench", concurrency = calls }]
        [providers.bench]
        kind = "openai"
        base_url = base_url
        trusted_hosts = ["127.0.0.1"]
        paid = false
        dialect = { parameters = ["n", "size"] }
    }
}

fn storage(endpoint: &str) -> Table {
    toml! { storage = { s3 = { endpoint = endpoint } } }
}

#[cfg(test)]
mod tests {
    use imagioo_runtime::Settings;

    use super::*;

    #[test]
    fn a_catalogue_allows_the_calls_that_a_run_wants() {
        let models = models(7).expect("a catalogue");
        assert!(models.contains("concurrency = 7") && models.contains("prefetch = 7"), "{models}");
    }

    #[test]
    fn the_services_understand_what_they_are_told() {
        let worker = Settings::from_parts("worker", imagioo_worker::DEFAULTS, worker("http://a/v1", 7));
        let worker =
            worker.and_then(|settings| settings.read::<imagioo_worker::Config>()).expect("understood");
        worker.check().expect("usable");
        let gateway = Settings::from_parts("gateway", imagioo_gateway::DEFAULTS, gateway(""));
        gateway.and_then(|settings| settings.read::<imagioo_gateway::Config>()).expect("understood");
        let billing = Settings::from_parts("billing", imagioo_billing::DEFAULTS, billing());
        billing.and_then(|settings| settings.read::<imagioo_billing::Config>()).expect("understood");
    }
}
