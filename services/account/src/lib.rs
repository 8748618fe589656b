//! Identities of imagioo: accounts, sessions, API keys, and the deny list.
//!
//! # Code map
//! `users`, `sessions` and `api_keys` are the use cases; `db` is their SQL and `grpc` their face. `password` decides which
//! passwords are accepted and how they are stored, `credential` how refresh tokens and API keys look, `access` who signs
//! access tokens, `throttle` how fast one may guess. `deny_list` spreads revocations, `outbox` announces new accounts,
//! `sweeper` forgets.
//!
//! # Invariants
//! - This service alone writes the schema `account`; it reads no other.
//! - The database holds no secret that opens anything: passwords as Argon2id, tokens and keys as SHA-256, addresses of
//!   sign-in attempts under a keyed hash.
//! - A request of a user runs as the role that sees only this user's rows.
//! - No log line and no error holds an address, a password, a token or a key.

mod access;
mod api_keys;
mod app;
pub mod config;
mod credential;
mod db;
mod deny_list;
mod email;
mod errors;
mod grpc;
mod instruments;
mod outbox;
mod password;
mod sessions;
mod sweeper;
mod throttle;
mod users;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Context as _;
pub use config::Config;
use imagioo_proto::account::v1::account_admin_service_server::AccountAdminServiceServer;
use imagioo_proto::account::v1::account_service_server::AccountServiceServer;
use imagioo_proto::account::v1::identity_service_server::IdentityServiceServer;
use imagioo_queue::Queue;
use imagioo_rpc::{AccessVerifier, Revocations, Server, ServiceKeys};
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::{Boot, Shutdown, database, net, ops};
use imagioo_types::{Clock, ServiceName, SystemClock};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use access::{Issuer, SigningKeys};
use app::App;
use deny_list::{Known, Reader};
use grpc::{AccountGrpc, AdminGrpc, IdentityGrpc};
use password::Hasher;
use sweeper::Sweeper;
use throttle::Throttle;

/// The documented default configuration.
pub const DEFAULTS: &str = include_str!("../../../deploy/config/account.toml");

/// The history of the schema `account`.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(migrator);

/// The history of the schema `account`, recorded in a table of its own so that owners may share a database.
#[must_use]
pub fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/account");
    migrator.create_schema("account");
    migrator.dangerous_set_table_name("account._sqlx_migrations");
    migrator
}

/// What the surroundings give the service.
pub struct Parts {
    /// Where it answers.
    pub listener: TcpListener,
    /// Where its messages go.
    pub queue: Queue,
    /// The wall clock of its tokens.
    pub clock: Arc<dyn Clock>,
    /// What must be true before it is given work.
    pub readiness: Readiness,
}

/// Runs the service as a process of its own.
///
/// # Errors
/// Anything that keeps it from starting, and the failure of its server.
pub async fn run(boot: Boot) -> anyhow::Result<()> {
    let config: Config = boot.settings.read()?;
    config.check()?;
    let readiness = Readiness::new();
    let listener = net::bind(config.listen).await?;
    let operators = net::bind(config.ops.listen).await?;
    boot.shutdown.spawn("ops", ops::serve(operators, readiness.clone(), boot.shutdown.clone()));
    let queue = Queue::rabbitmq(&config.queue)?;
    let parts = Parts { listener, queue, clock: Arc::new(SystemClock), readiness };
    serve(config, parts, boot.shutdown).await
}

/// Runs the service with these parts until shutdown.
///
/// # Errors
/// Anything that keeps it from starting, and the failure of its server.
pub async fn serve(config: Config, parts: Parts, shutdown: Shutdown) -> anyhow::Result<()> {
    let ready = parts.readiness.gate("account");
    config.check()?;
    instruments::describe();
    let keys = ServiceKeys::load(&config.identity, ServiceName::Account, parts.clock.clone())?;
    let pool = database::connect(&config.database, &MIGRATOR).await?;
    let reachable = parts.readiness.gate("account database");
    shutdown.spawn("watch the database", database::watch(pool.clone(), reachable, shutdown.clone()));
    let app = Arc::new(build(&config, &parts, pool.clone())?);
    let denied = Revocations::default();
    let verifier = AccessVerifier::local(app.issuer.jwks(), denied.clone(), parts.clock.clone())?;

    let deny_list = watch_deny_list(&config, &app, denied, &shutdown);
    let relay =
        imagioo_queue::relay(outbox::Outbox(pool.clone()), parts.queue, app.outbox.clone(), shutdown.clone());
    shutdown.spawn("outbox", relay);
    shutdown.spawn("sweeper", Sweeper::new(pool.clone(), &config).run(shutdown.clone()));

    let (heard, stop) = (verifier.clone(), shutdown.clone());
    shutdown.spawn("become ready", async move {
        tokio::select! {
            () = heard.ready() => ready.set(true),
            () = stop.requested() => {}
        }
    });
    tracing::info!(address = %parts.listener.local_addr()?, "account service answers");
    Server::internal(keys, verifier)?
        .add_service(AccountServiceServer::new(AccountGrpc(app.clone())))
        .add_service(IdentityServiceServer::new(IdentityGrpc { app, deny_list }))
        .add_service(AccountAdminServiceServer::new(AdminGrpc(pool)))
        .serve(parts.listener, &shutdown)
        .await
        .context("account server")
}

fn build(config: &Config, parts: &Parts, pool: PgPool) -> anyhow::Result<App> {
    let signing = SigningKeys::load(&config.tokens)?;
    let throttle = Throttle::new(signing.derived("sign-in attempts"), config.sign_in.clone());
    Ok(App {
        pool,
        hasher: Hasher::new(&config.passwords)?,
        throttle,
        issuer: Issuer::new(signing, &config.tokens, parts.clock.clone()),
        sessions: config.sessions.clone(),
        outbox: Arc::new(Notify::new()),
        revoked: Arc::new(Notify::new()),
    })
}

fn watch_deny_list(
    config: &Config,
    app: &App,
    own: Revocations,
    shutdown: &Shutdown,
) -> watch::Receiver<Known> {
    let (watchers, deny_list) = watch::channel(None);
    let reader = Reader {
        pool: app.pool.clone(),
        own,
        wake: app.revoked.clone(),
        every: Duration::from_millis(config.deny_list.poll_ms),
    };
    shutdown.spawn("deny list", reader.run(watchers, shutdown.clone()));
    deny_list
}
