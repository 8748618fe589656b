//! The worker: takes a job, calls a model provider, stores and verifies the images, announces the outcome.
//!
//! Owns no database. What it may do it learns from the gateway ([`leases`]); what it did it states in a manifest in
//! object storage; everything else is a hint. Killed at any instant, another worker goes on where it stopped.
//!
//! # Code map
//! `consumer` turns hints into leases, `run` is the life of a job, `attempt` its provider calls and their recovery,
//! `results` receives, verifies and stores, `screening` decides what may be seen, `manifest` states the outcome. [`provider`] is the port to models, with
//! one file per provider.

mod attempt;
mod backoff;
mod config;
mod consumer;
mod heartbeat;
mod held;
mod inputs;
mod instruments;
pub mod job;
pub mod leases;
mod manifest;
pub mod progress;
mod promise;
pub mod provider;
pub mod reason;
mod registry;
mod results;
mod run;
mod screening;
mod worker;

use std::sync::Arc;

use anyhow::Context as _;
use futures::future::try_join_all;
use imagioo_queue::Queue;
use imagioo_rpc::ServiceKeys;
use imagioo_runtime::ops::{self, Readiness};
use imagioo_runtime::{Boot, ConfigError, Shutdown, net};
use imagioo_storage::Storage;
use imagioo_types::{Clock, ServiceName, SystemClock};
use uuid::Uuid;

pub use config::{Config, DeploymentConfig, Misconfigured, Mistake, PeersConfig, ProviderConfig};
pub use promise::Promise;
pub use registry::Registry;
pub use results::ResultsConfig;
pub use screening::ScreeningConfig;

use leases::{GrpcLeases, Leases};
use worker::Worker;

/// The documented default configuration.
pub const DEFAULTS: &str = include_str!("../../../deploy/config/worker.toml");

/// What the service shares with its process.
pub struct Parts {
    /// Hints in, outcomes out.
    pub queue: Queue,
    /// Where images and manifests go.
    pub storage: Storage,
    /// The wall time, for deadlines and dates of outcomes.
    pub clock: Arc<dyn Clock>,
    /// Told when the worker takes jobs.
    pub readiness: Readiness,
}

/// The outside world of a worker.
pub struct Ports {
    /// The gateway.
    pub leases: Arc<dyn Leases>,
    /// The model providers.
    pub providers: Registry,
}

/// Runs the service as a process of its own.
///
/// # Errors
/// The configuration is wrong, or the service cannot start.
pub async fn run(boot: Boot) -> anyhow::Result<()> {
    let config: Config = boot.settings.read()?;
    config.check().map_err(|error| ConfigError::Senseless(error.into()))?;
    let storage = Storage::open(&config.storage).await?;
    let readiness = Readiness::new();
    let operators = net::bind(config.ops.listen).await?;
    let parts = Parts {
        queue: Queue::rabbitmq(&config.queue)?,
        storage,
        clock: Arc::new(SystemClock),
        readiness: readiness.clone(),
    };
    boot.shutdown.spawn("ops", ops::serve(operators, readiness, boot.shutdown.clone()));
    serve(config, parts, boot.shutdown).await
}

/// Works until the shutdown, for the configured gateway with the configured providers.
///
/// # Errors
/// [`Misconfigured`], or the keys or queues cannot be used.
pub async fn serve(config: Config, parts: Parts, shutdown: Shutdown) -> anyhow::Result<()> {
    let providers = Registry::from_config(&config, &parts.clock)?;
    let keys = ServiceKeys::load(&config.identity, ServiceName::Worker, Arc::clone(&parts.clock))?;
    let gateway = imagioo_rpc::connect(&config.peers.gateway, &keys, ServiceName::Gateway)?;
    let ports = Ports { leases: Arc::new(GrpcLeases::new(gateway)), providers };
    serve_with(config, parts, ports, shutdown).await
}

/// Works until the shutdown: takes jobs until it is requested, finishes them until it is forced.
///
/// # Errors
/// The queues cannot be used.
pub async fn serve_with(
    config: Config,
    parts: Parts,
    ports: Ports,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    instruments::describe();
    let ready = parts.readiness.gate("worker");
    let screen = screening::OutputScreen::open(&config.screening, &parts.clock)?;
    let worker = Arc::new(Worker {
        id: format!("worker-{}", Uuid::now_v7().simple()),
        leases: ports.leases,
        results: results::Results::new(parts.storage.clone(), &config.results, screen),
        queue: parts.queue,
        storage: parts.storage,
        clock: parts.clock,
        providers: ports.providers,
        held: held::Held::default(),
        shutdown,
    });
    let mut consumers = Vec::new();
    for deployment in config.deployments {
        consumers.push(consumer::work(Arc::clone(&worker), deployment));
    }
    ready.set(true);
    tracing::info!(worker = worker.id, deployments = consumers.len(), "worker started");
    tokio::select! {
        drained = try_join_all(consumers) => drained.map(drop).context("a deployment's queue cannot be consumed"),
        failed = heartbeat::hear_cancellations(&worker) => match failed.context("cancellations cannot be heard")? {},
        never = heartbeat::renew(&worker) => match never {},
    }
}
