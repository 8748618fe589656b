//! The services of one process: their configuration, their loopback ports, and the parts they share.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use imagioo_cache::Cache;
use imagioo_gateway::Offered;
use imagioo_queue::Queue;
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::postgres::Access;
use imagioo_runtime::{Settings, net};
use imagioo_storage::Storage;
use imagioo_types::{Clock, SystemClock};
use imagioo_worker::{Promise, Registry};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use toml::{Table, Value};

use super::data::DataFolder;
use super::stages::Stages;

/// What must be true before the doors are announced.
pub(crate) const GATES: [&str; 3] = ["account", "billing", "gateway"];

/// What every service of the process works with.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) cache: Cache,
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readiness: Readiness,
}

/// Starts every service on private loopback ports, and the gateway's public one.
pub(crate) async fn start(
    stages: &mut Stages,
    data: &DataFolder,
    access: &Access,
    public: TcpListener,
    shared: Shared,
) -> anyhow::Result<()> {
    let (account, billing, gateway) = (private().await?, private().await?, private().await?);
    let peers = Peers::of(&account, &billing, &gateway)?;
    let Shared { queue, cache, storage, clock, readiness } = shared;

    let (worker, config) = engine(&peers, data, access)?;
    let parts = imagioo_worker::Parts {
        queue: queue.clone(),
        storage: storage.clone(),
        clock: Arc::clone(&clock),
        readiness: readiness.clone(),
    };
    stages.add(|stop| imagioo_worker::serve(worker, parts, stop));

    let parts = imagioo_gateway::Parts {
        public,
        internal: gateway,
        queue: queue.clone(),
        cache,
        storage,
        clock: Arc::clone(&clock),
        readiness: readiness.clone(),
    };
    stages.add(|stop| imagioo_gateway::serve(config, parts, stop));

    let config = peers.config("billing", imagioo_billing::DEFAULTS, data, Some(("billing", access)))?;
    let parts = imagioo_billing::Parts {
        listener: billing,
        queue: queue.clone(),
        clock: Arc::clone(&clock),
        readiness: readiness.clone(),
    };
    stages.add(|stop| imagioo_billing::serve(config, parts, stop));

    let config = peers.config("account", imagioo_account::DEFAULTS, data, Some(("account", access)))?;
    let parts = imagioo_account::Parts { listener: account, queue, clock, readiness };
    stages.add(|stop| imagioo_account::serve(config, parts, stop));
    Ok(())
}

/// The configurations of worker and gateway, which agree here without an operator: the gateway offers the models of the
/// accounts that the worker has, and the worker attends to the queues of these models.
fn engine(
    peers: &Peers,
    data: &DataFolder,
    access: &Access,
) -> anyhow::Result<(imagioo_worker::Config, imagioo_gateway::Config)> {
    let mut worker: imagioo_worker::Config = peers.config("worker", imagioo_worker::DEFAULTS, data, None)?;
    let database = Some(("generation", access));
    let mut gateway: imagioo_gateway::Config =
        peers.config("gateway", imagioo_gateway::DEFAULTS, data, database)?;
    gateway.providers = worker.providers.keys().cloned().collect();
    let offered = imagioo_gateway::deployments(&gateway)?;
    for Offered { id, provider, concurrency, .. } in offered.clone() {
        let known = worker.deployments.iter().any(|deployment| deployment.id == id);
        if !known && worker.providers.contains_key(&provider) {
            worker.deployments.push(imagioo_worker::DeploymentConfig { id, concurrency });
        }
    }
    keep_promises(&worker, &offered)?;
    Ok((worker, gateway))
}

/// Refuses a catalogue that promises what the worker's providers cannot do: it would be sold, and then fail.
fn keep_promises(worker: &imagioo_worker::Config, offered: &[Offered]) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let providers = Registry::from_config(worker, &clock)?;
    let promise = |place: &Offered| {
        let Offered { id, provider, operations, endpoint, options, .. } = place;
        providers.broken(Promise { deployment: id, provider, operations, endpoint: *endpoint, options })
    };
    let broken: Vec<_> = offered.iter().flat_map(promise).collect();
    anyhow::ensure!(broken.is_empty(), "the catalogue does not suit its providers: {}", broken.join("; "));
    Ok(())
}

async fn private() -> anyhow::Result<TcpListener> {
    Ok(net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?)
}

/// Where the services of this process find each other.
struct Peers {
    account: String,
    billing: String,
    gateway: String,
}

impl Peers {
    fn of(account: &TcpListener, billing: &TcpListener, gateway: &TcpListener) -> anyhow::Result<Self> {
        let address =
            |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        Ok(Self { account: address(account)?, billing: address(billing)?, gateway: address(gateway)? })
    }

    /// A service's configuration: its defaults, the operator's file, and what being embedded decides.
    fn config<C: DeserializeOwned>(
        &self,
        service: &str,
        defaults: &str,
        data: &DataFolder,
        database: Option<(&str, &Access)>,
    ) -> anyhow::Result<C> {
        let files: Vec<_> = data.config(service).into_iter().collect();
        let mut embedded = Table::new();
        embedded.insert("identity".to_owned(), identity(service, &data.keys()));
        match service {
            "worker" => {
                embedded.insert("peers".to_owned(), table([("gateway", &self.gateway)]));
            }
            "billing" => {
                let peers = table([("account", &self.account), ("gateway", &self.gateway)]);
                embedded.insert("peers".to_owned(), peers);
            }
            "gateway" => {
                let peers = table([("account", &self.account), ("billing", &self.billing)]);
                embedded.insert("peers".to_owned(), peers);
                embedded.insert("sole_process".to_owned(), Value::Boolean(true));
                let seal = data.seal_key().display().to_string();
                embedded.insert("seal".to_owned(), table([("key_file", &seal)]));
            }
            _ => {
                let signing = data.keys().join("access-signing.key").display().to_string();
                let mut tokens = Table::new();
                tokens.insert("signing_key_file".to_owned(), Value::String(signing));
                tokens.insert("create_missing".to_owned(), Value::Boolean(true));
                embedded.insert("tokens".to_owned(), Value::Table(tokens));
            }
        }
        if let Some((owner, access)) = database {
            let url = access.service_url(owner)?.expose_secret().to_owned();
            embedded.insert("database".to_owned(), table([("url", &url)]));
        }
        Ok(Settings::load(service, defaults, &files)?.overridden(&embedded)?.read()?)
    }
}

fn identity(service: &str, keys: &Path) -> Value {
    let path = |file: String| keys.join(file).display().to_string();
    table([
        ("service_key_file", &path(format!("{service}.key"))),
        ("peer_keys_file", &path("peers.json".to_owned())),
    ])
}

fn table<const N: usize>(entries: [(&str, &String); N]) -> Value {
    let pairs = entries.map(|(key, value)| (key.to_owned(), Value::String(value.clone())));
    Value::Table(Table::from_iter(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configurations of a worker with an account at every provider, and of a gateway that offers their models.
    fn everything() -> (imagioo_worker::Config, imagioo_gateway::Config) {
        let overrides = toml::toml! {
            providers.openai = { kind = "openai" }
            providers.gemini = { kind = "gemini" }
            providers.bfl = { kind = "bfl" }
            providers.fal = { kind = "fal" }
            providers.replicate = { kind = "replicate" }
            providers.stability = { kind = "stability" }
            providers.comfyui = { kind = "comfyui", base_url = "http://127.0.0.1:8188" }
            providers.automatic1111 = { kind = "automatic1111", base_url = "http://127.0.0.1:7860" }
        };
        let settings = Settings::from_parts("worker", imagioo_worker::DEFAULTS, overrides).expect("TOML");
        let worker: imagioo_worker::Config = settings.read().expect("complete");
        let settings =
            Settings::from_parts("gateway", imagioo_gateway::DEFAULTS, Table::new()).expect("TOML");
        let mut gateway: imagioo_gateway::Config = settings.read().expect("complete");
        gateway.providers = worker.providers.keys().cloned().collect();
        (worker, gateway)
    }

    #[test]
    fn the_shipped_catalogue_promises_what_the_adapters_can_do() {
        let (worker, gateway) = everything();
        let offered = imagioo_gateway::deployments(&gateway).expect("a catalogue");
        let providers: std::collections::BTreeSet<_> = offered.iter().map(|place| &place.provider).collect();
        assert_eq!(providers.len(), worker.providers.len(), "each provider has a model");
        keep_promises(&worker, &offered).expect("kept");
    }

    #[test]
    fn a_catalogue_that_does_not_suit_its_providers_is_refused_with_every_reason() {
        let (worker, gateway) = everything();
        let mut offered = imagioo_gateway::deployments(&gateway).expect("a catalogue");
        let promised =
            offered.iter().find(|place| place.provider == "sketch").expect("it").operations.clone();
        for place in &mut offered {
            match place.provider.as_str() {
                "gemini" => place.operations.clone_from(&promised),
                "comfyui" => place.options.clear(),
                _ => {}
            }
        }
        let refused = keep_promises(&worker, &offered).expect_err("refused").to_string();
        for reason in ["gemini cannot do upscale", "comfyui needs the option `graph`"] {
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
