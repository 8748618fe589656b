//! The billing service: who has how many credits, and why.
//!
//! Sole writer of the schema `billing`. The [`ledger`] holds the rules, the [`Bookkeeper`] is the only way to change
//! anything; gRPC handlers, message consumers and sweepers all go through it.

mod balance;
mod bookkeeper;
mod check;
mod config;
mod consumer;
mod db;
mod error;
mod grpc;
mod instruments;
pub mod ledger;
mod registration;
mod settlement;
mod statement;
mod sweep;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use imagioo_queue::Queue;
use imagioo_rpc::{AccessVerifier, Server, ServiceKeys};
use imagioo_runtime::ops::{self, Readiness};
use imagioo_runtime::{Boot, Shutdown, database, net};
use imagioo_types::{Clock, ServiceName, SystemClock};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;

pub use bookkeeper::Bookkeeper;
pub use check::{Check, run as check};
pub use config::Config;
pub use error::BillingError;
pub use grpc::{Fate, Gateway};
pub use imagioo_batch::Size;
pub use sweep::{ExpirySweeper, HoldSweeper};

/// The documented default configuration.
pub const DEFAULTS: &str = include_str!("../../../deploy/config/billing.toml");

/// The migrations of the schema `billing`.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(migrator);

/// The database role of one user's request; row-level security shows it that user's rows only.
const USER_ROLE: &str = "imagioo_billing_user";

/// The migrations, with a table of their own so that owners may share a database.
#[must_use]
pub fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/billing");
    migrator.dangerous_set_table_name("billing._sqlx_migrations");
    migrator.create_schema("billing");
    migrator
}

/// What the service shares with its process.
pub struct Parts {
    /// Where it answers gRPC.
    pub listener: TcpListener,
    /// Messages in.
    pub queue: Queue,
    /// The wall time, for tokens; the ledger uses the database's.
    pub clock: Arc<dyn Clock>,
    /// Told when the service can take calls.
    pub readiness: Readiness,
}

/// Runs the service as a process of its own.
///
/// # Errors
/// The configuration is wrong, or the service cannot start.
pub async fn run(boot: Boot) -> anyhow::Result<()> {
    let config: Config = boot.settings.read()?;
    config.check()?;
    let readiness = Readiness::new();
    let operators = net::bind(config.ops.listen).await?;
    let parts = Parts {
        listener: net::bind(config.listen).await?,
        queue: Queue::rabbitmq(&config.queue)?,
        clock: Arc::new(SystemClock),
        readiness: readiness.clone(),
    };
    boot.shutdown.spawn("ops", ops::serve(operators, readiness, boot.shutdown.clone()));
    serve(config, parts, boot.shutdown).await
}

/// Serves until the shutdown.
///
/// # Errors
/// The database, the keys or the queues cannot be used, or the server ended badly.
pub async fn serve(config: Config, parts: Parts, shutdown: Shutdown) -> anyhow::Result<()> {
    config.check()?;
    instruments::describe();
    let ready = parts.readiness.gate("billing");
    let pool = database::connect(&config.database, &MIGRATOR).await?;
    let reachable = parts.readiness.gate("billing database");
    shutdown.spawn("watch the database", database::watch(pool.clone(), reachable, shutdown.clone()));
    let keys = ServiceKeys::load(&config.identity, ServiceName::Billing, Arc::clone(&parts.clock))?;
    let account = imagioo_rpc::connect(&config.peers.account, &keys, ServiceName::Account)?;
    let gateway = Gateway::new(imagioo_rpc::connect(&config.peers.gateway, &keys, ServiceName::Gateway)?);
    let verifier = AccessVerifier::remote(account, parts.clock, &shutdown);

    let bookkeeper = Bookkeeper::new(&pool, config.ledger.size(), &shutdown);
    consumer::start(&parts.queue, &bookkeeper, (config.registration, config.consumers), &shutdown).await?;
    let holds = HoldSweeper::new(pool.clone(), bookkeeper.clone(), gateway, config.holds.ask_again());
    let every = Duration::from_secs(config.holds.sweep_every_seconds);
    shutdown.spawn("sweep holds", holds.run(every, shutdown.clone()));
    let expiry = ExpirySweeper::new(pool.clone(), bookkeeper.clone());
    let every = Duration::from_secs(config.expiry.sweep_every_seconds);
    shutdown.spawn("sweep expired credits", expiry.run(every, shutdown.clone()));

    let (heard, stop) = (verifier.clone(), shutdown.clone());
    let server = grpc::register(Server::internal(keys, verifier)?, pool, bookkeeper, config.holds);
    shutdown.spawn("become ready", async move {
        tokio::select! {
            () = heard.ready() => ready.set(true),
            () = stop.requested() => {}
        }
    });
    server.serve(parts.listener, &shutdown).await?;
    Ok(())
}
