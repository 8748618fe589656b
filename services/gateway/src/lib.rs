//! The gateway: the edge that authenticates, limits and routes, and the generations from acceptance to outcome.
//!
//! Sole writer of the schema `generation`. Read [`serve`] from top to bottom to see what it is made of.

use std::sync::Arc;

use anyhow::Context as _;
use imagioo_cache::Cache;
use imagioo_picture::{Operation, Verifier};
use imagioo_proto::generation::v1::generation_admin_service_server::GenerationAdminServiceServer;
use imagioo_proto::generation::v1::generation_service_server::GenerationServiceServer;
use imagioo_proto::generation::v1::hold_resolution_service_server::HoldResolutionServiceServer;
use imagioo_proto::generation::v1::image_service_server::ImageServiceServer;
use imagioo_proto::generation::v1::lease_service_server::LeaseServiceServer;
use imagioo_proto::generation::v1::model_service_server::ModelServiceServer;
use imagioo_proto::generation::v1::preset_admin_service_server::PresetAdminServiceServer;
use imagioo_proto::generation::v1::preset_service_server::PresetServiceServer;
use imagioo_proto::generation::v1::provider_key_service_server::ProviderKeyServiceServer;
use imagioo_proto::generation::v1::webhook_service_server::WebhookServiceServer;
use imagioo_proto::queue::v1::dead_letter_admin_service_server::DeadLetterAdminServiceServer;
use imagioo_queue::Queue;
use imagioo_rpc::{AccessVerifier, InternalAuth, Server, ServiceKeys, connect, plain_endpoint};
use imagioo_runtime::follow::Changes;
use imagioo_runtime::ops::{self, Readiness};
use imagioo_runtime::{Boot, Shutdown, database, net};
use imagioo_seal::Sealer;
use imagioo_storage::Storage;
use imagioo_types::{Clock, ServiceName, SystemClock};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio::sync::Notify;

mod app;
mod catalogue;
mod config;
mod consumer;
mod db;
mod dispatch;
mod edge;
mod error;
mod generation;
mod generations;
mod grpc;
mod holds;
mod hot;
mod instruments;
mod openai;
mod outbox;
mod preset;
mod presets;
mod provider_key;
mod provider_keys;
mod screening;
mod trace;
mod uploads;
mod watchers;
mod webhooks;

pub use config::Config;
pub use webhooks::WebhooksConfig;

use app::{App, Parts as AppParts};
use edge::Edge;

/// The documented default configuration.
pub const DEFAULTS: &str = include_str!("../../../deploy/config/gateway.toml");

/// The migrations of the schema `generation`.
#[must_use]
pub fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/generation");
    migrator.dangerous_set_table_name("generation._sqlx_migrations");
    migrator.create_schema("generation");
    migrator
}

/// What a gateway works with that its host decides: addresses already bound, transports already open.
pub struct Parts {
    /// Where clients call.
    pub public: TcpListener,
    /// Where workers and billing call.
    pub internal: TcpListener,
    /// Messages.
    pub queue: Queue,
    /// Rate limits.
    pub cache: Cache,
    /// Objects.
    pub storage: Storage,
    /// The wall time.
    pub clock: Arc<dyn Clock>,
    /// Told when the gateway can take calls.
    pub readiness: Readiness,
}

/// A deployment of a catalogue, as far as whoever hosts the workers needs to know.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its id.
    pub id: String,
    /// Its provider.
    pub provider: String,
    /// How many generations run there at once.
    pub concurrency: u32,
    /// What its model can do.
    pub operations: Vec<Operation>,
    /// Whether it names an `endpoint`.
    pub endpoint: bool,
    /// The names of its `options`.
    pub options: Vec<String>,
}

/// The deployments of a gateway's catalogue.
///
/// # Errors
/// The catalogue cannot be used.
pub fn deployments(config: &Config) -> anyhow::Result<Vec<Offered>> {
    let (catalogue, _) = catalogue::configured(config)?;
    Ok(catalogue.models.iter().flat_map(catalogue::Model::places).collect())
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
        public: net::bind(config.listen).await?,
        internal: net::bind(config.internal_listen).await?,
        queue: Queue::rabbitmq(&config.queue)?,
        cache: Cache::open(&config.cache)?,
        storage: Storage::open(&config.storage).await?,
        clock: Arc::new(SystemClock),
        readiness: readiness.clone(),
    };
    boot.shutdown.spawn("ops", ops::serve(operators, readiness, boot.shutdown.clone()));
    serve(config, parts, boot.shutdown).await
}

/// Runs a gateway until shutdown.
///
/// # Errors
/// What keeps it from starting, or the failure of a server.
pub async fn serve(config: Config, parts: Parts, shutdown: Shutdown) -> anyhow::Result<()> {
    instruments::describe();
    config.check()?;
    let ready = parts.readiness.gate("gateway");
    let keys = ServiceKeys::load(&config.identity, ServiceName::Gateway, Arc::clone(&parts.clock))?;
    let sealer = Sealer::new(&config.seal)?;
    let account = connect(&config.peers.account, &keys, ServiceName::Account)?;
    let billing = connect(&config.peers.billing, &keys, ServiceName::Billing)?;
    let verifier = AccessVerifier::remote(account.clone(), Arc::clone(&parts.clock), &shutdown);
    let pool = database::connect(&config.database, &migrator()).await?;
    let reachable = parts.readiness.gate("gateway database");
    shutdown.spawn("watch the database", database::watch(pool.clone(), reachable, shutdown.clone()));
    let changes = Changes::of(&config.catalogue_file);
    let current = catalogue::Current::load(&config, &pool).await?;
    let file = (config.catalogue_file.clone(), changes);
    let follow = catalogue::keep_current(current.clone(), file, pool.clone(), shutdown.clone());
    shutdown.spawn("follow the catalogue", follow);
    let offers = dispatch::offers::Offers::new(parts.queue.clone(), &shutdown);
    let terms =
        db::generations::start::Terms { lease: config.timing.lease(), takeovers: config.retries.takeovers };
    let app = App::new(AppParts {
        hot: hot::Hot::new(&pool, terms, offers, &shutdown),
        holds: holds::Holds::new(billing.clone()),
        screen: screening::PromptScreen::open(&config.screening, &parts.clock, &shutdown).await?,
        verifier: Verifier::new(config.uploads.max_pixels, config.uploads.decoders),
        depths: dispatch::depths::Depths::default(),
        health: dispatch::health::Health::default(),
        lines: dispatch::lines::Lines::default(),
        pace: dispatch::pace::Pace::default(),
        turns_to_read: uploads::Turns::default(),
        watchers: watchers::Watchers::default(),
        webhooks: webhooks::Webhooks::new(&config.webhooks, sealer.clone(), &pool)?,
        sealer,
        outbox: Arc::new(Notify::new()),
        turns: Arc::new(Notify::new()),
        current,
        pool: pool.clone(),
        queue: parts.queue.clone(),
        storage: parts.storage,
        clock: Arc::clone(&parts.clock),
        config: config.clone(),
    });
    if config.sole_process {
        dispatch::sweeper::recover(&app).await?;
    }
    start_background(&app, &shutdown).await?;
    let edge = Edge::new(edge::Parts {
        api_keys: edge::ApiKeys::new(account.clone(), Arc::clone(&parts.clock)),
        limiter: edge::Limiter::new(parts.cache, &config.limits),
        operator: InternalAuth::new(keys.clone(), verifier.clone()),
        account_admin: plain_endpoint(&config.peers.account)?.connect_lazy(),
        billing_admin: plain_endpoint(&config.peers.billing)?.connect_lazy(),
        verifier: verifier.clone(),
        account,
        billing,
    });
    let internal = Server::internal(keys.clone(), verifier.clone())?
        .add_service(LeaseServiceServer::new(grpc::lease::Leases { app: app.clone() }))
        .add_service(HoldResolutionServiceServer::new(grpc::resolution::Resolutions { app: app.clone() }));
    let generations = grpc::generation::Generations {
        app: app.clone(),
        verifier: verifier.clone(),
        shutdown: shutdown.clone(),
    };
    let door = openai::Door::new(app.clone(), verifier.clone(), shutdown.clone());
    let origins = config.http.origins();
    let told = if config.reflection { edge::told() } else { Vec::new() };
    let public = Server::behind(edge)?
        .telling(told)
        .add_http(openai::router(door), openai::PATHS, origins)
        .add_service(GenerationServiceServer::new(generations))
        .add_service(ImageServiceServer::new(grpc::image::Images { app: app.clone() }))
        .add_service(ModelServiceServer::new(grpc::model::Models { app: app.clone() }))
        .add_service(PresetServiceServer::new(grpc::preset::Presets { app: app.clone() }))
        .add_service(PresetAdminServiceServer::new(grpc::preset::admin::SharedPresets { app: app.clone() }))
        .add_service(ProviderKeyServiceServer::new(grpc::provider_key::ProviderKeys { app: app.clone() }))
        .add_service(WebhookServiceServer::new(grpc::webhook::WebhookEndpoints { app: app.clone() }))
        .add_service(DeadLetterAdminServiceServer::new(grpc::dead_letter::DeadLetters {
            queue: app.queue.clone(),
        }))
        .add_service(GenerationAdminServiceServer::new(grpc::admin::Admin { app }));
    let (heard, stop) = (verifier.clone(), shutdown.clone());
    shutdown.spawn("become ready", async move {
        tokio::select! {
            () = heard.ready() => ready.set(true),
            () = stop.requested() => {}
        }
    });
    tokio::try_join!(public.serve(parts.public, &shutdown), internal.serve(parts.internal, &shutdown),)?;
    Ok(())
}

async fn start_background(app: &App, shutdown: &Shutdown) -> anyhow::Result<()> {
    consumer::start(app, shutdown).await.context("cannot consume")?;
    let relay = imagioo_queue::relay(
        outbox::Outbox(app.pool.clone()),
        app.queue.clone(),
        Arc::clone(&app.outbox),
        shutdown.clone(),
    );
    shutdown.spawn("relay the outbox", relay);
    shutdown.spawn("read queue depths", dispatch::depths::keep_fresh(app.clone(), shutdown.clone()));
    shutdown.spawn("read waiting lines", dispatch::lines::keep_fresh(app.clone(), shutdown.clone()));
    shutdown.spawn("measure run times", dispatch::pace::keep_fresh(app.clone(), shutdown.clone()));
    shutdown.spawn("exchange health", dispatch::health::exchange(app.clone(), shutdown.clone()));
    shutdown.spawn("dispatch", dispatch::dispatcher::run(app.clone(), shutdown.clone()));
    shutdown.spawn("sweep", dispatch::sweeper::run(app.clone(), shutdown.clone()));
    shutdown.spawn("send webhooks", webhooks::sender::run(app.clone(), shutdown.clone()));
    shutdown.spawn("clean up webhooks", webhooks::sender::clean_up(app.clone(), shutdown.clone()));
    shutdown.spawn("collect orphans", dispatch::collector::run(app.clone(), shutdown.clone()));
    Ok(())
}
