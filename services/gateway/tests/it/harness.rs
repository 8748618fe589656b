//! A running gateway with everything around it: a database of its own, a billing and an account service that are
//! scripted, workers whose hands the test moves, and the laws that must hold when a test ends.

use std::borrow::Cow;
use std::path::PathBuf;

use imagioo_cache::Cache;
use imagioo_gateway::{Config, DEFAULTS, migrator};
use imagioo_queue::Queue;
use imagioo_rpc::{Channel, connect, keys};
use imagioo_runtime::{Settings, Shutdown};
use imagioo_storage::Storage;
use imagioo_testkit::Database;
use imagioo_types::{Clock as _, GenerationId, ManualClock, ServiceName, SystemClock, UserId};
use sqlx::PgPool;
use tempfile::TempDir;
use time::Duration;

pub mod account;
pub mod billing;
mod gateway;
mod http;
mod laws;
mod patience;
mod presets;
mod provider_keys;
mod user;
mod watching;
mod webhooks;
mod worker;

pub use account::{Account, service_keys};
pub use billing::{Billing, Settled};
pub use gateway::Gateway;
pub use http::{Answer, Program, answer, drawing, form};
pub use patience::{eventually, within};
pub use user::{User, wanted};
pub use webhooks::{Hook, answering, received, receiver, signatures};
pub use worker::{Attempt, Worker, failed, passing, refused, retry};

const CATALOGUE: &str = include_str!("harness/catalogue.toml");

/// What a test decides before anything runs.
#[derive(Default)]
pub struct Setup {
    /// TOML on top of the gateway's defaults.
    pub config: Cow<'static, str>,
    /// The account service tells nothing about revocations until it is asked to.
    pub silent_account: bool,
    /// Where images are; in memory if it does not say.
    pub storage: Option<Storage>,
}

/// The world of one test. It must be left through [`App::ends_clean`].
pub struct App {
    pub clock: ManualClock,
    pub database: Database,
    /// Connections as the service itself.
    pub pool: PgPool,
    pub queue: Queue,
    pub cache: Cache,
    pub storage: Storage,
    pub account: Account,
    pub billing: Billing,
    /// The first replica.
    pub gateway: Gateway,
    pub config: Config,
    folder: TempDir,
    peers: Shutdown,
    clean: bool,
}

impl App {
    pub async fn start() -> Self {
        Self::set_up(Setup::default()).await
    }

    /// A gateway with these options on top of its defaults.
    pub async fn with(config: impl Into<Cow<'static, str>>) -> Self {
        Self::set_up(Setup { config: config.into(), ..Setup::default() }).await
    }

    pub async fn set_up(setup: Setup) -> Self {
        show_logs();
        let clock = ManualClock::at(SystemClock.now());
        let migrator = migrator();
        let database = Database::create(&[("generation", &migrator)]).await;
        let pool = database.service("generation", &migrator).await.expect("the service's own role");
        let folder = TempDir::new().expect("a folder");
        keys::generate(folder.path()).expect("keys");
        let peers = Shutdown::new(std::time::Duration::from_secs(5));
        let account = Account::start(&folder, &clock, &peers).await;
        let billing = Billing::start(&folder, &clock, &account, &peers).await;
        let queue = Queue::in_process();
        billing.listen(&queue).await;
        let mut config = configure(&setup.config);
        config.catalogue_file = catalogue(&folder, CATALOGUE);
        config.database = database.config("generation");
        config.seal.key = imagioo_seal::new_key().expect("a key");
        config.identity = keys::config_in(folder.path(), ServiceName::Gateway);
        config.peers.account.clone_from(&account.address);
        config.peers.billing.clone_from(&billing.address);
        account.be_silent(setup.silent_account);
        let (cache, storage) = (Cache::in_process(), setup.storage.unwrap_or_else(Storage::memory));
        let gateway = Gateway::start(config.clone(), &queue, &cache, &storage, &clock).await;
        let mut app = Self {
            clock,
            database,
            pool,
            queue,
            cache,
            storage,
            account,
            billing,
            gateway,
            config,
            folder,
            peers,
            clean: false,
        };
        let user = app.user();
        app.gateway.serves(&user).await;
        if !setup.silent_account {
            user.until_changes_are_possible().await;
        }
        app
    }

    /// One more replica on the same database, queue and storage.
    pub async fn replica(&self) -> Gateway {
        let config = self.config.clone();
        let mut replica = Gateway::start(config, &self.queue, &self.cache, &self.storage, &self.clock).await;
        replica.serves(&self.user()).await;
        self.user().at(&replica).until_changes_are_possible().await;
        replica
    }

    /// Stops the gateway, and with it everything that only the process's memory held; then starts a new one.
    pub async fn restart(&mut self) {
        self.gateway.stop().await;
        self.start_again().await;
    }

    /// Starts a new gateway after the first one has stopped.
    pub async fn start_again(&mut self) {
        self.queue = Queue::in_process();
        self.cache = Cache::in_process();
        self.billing.listen(&self.queue).await;
        self.gateway = self.replica().await;
    }

    /// The same with a changed catalogue.
    pub async fn restart_with_catalogue(&mut self, change: impl FnOnce(&str) -> String) {
        self.config.catalogue_file = catalogue(&self.folder, &change(CATALOGUE));
        self.restart().await;
    }

    /// Changes the catalogue's file under the running gateway.
    pub fn edit_catalogue(&self, change: impl FnOnce(&str) -> String) {
        catalogue(&self.folder, &change(CATALOGUE));
    }

    /// Writes a file that the catalogue may name.
    pub fn write_beside_catalogue(&self, name: &str, content: &str) {
        let whole = self.folder.path().join(format!("{name}.new"));
        std::fs::write(&whole, content).expect("written");
        std::fs::rename(&whole, self.folder.path().join(name)).expect("in place");
    }

    /// Somebody who has just signed in.
    pub fn user(&self) -> User {
        User::sign_in(&self.account, &self.gateway, UserId::generate())
    }

    /// The same person with a new session.
    pub fn signed_in_again(&self, user: &User) -> User {
        User::sign_in(&self.account, &self.gateway, user.id)
    }

    /// A worker for the deployment `sketch`.
    pub async fn worker(&self, name: &str) -> Worker {
        self.worker_for("sketch", name).await
    }

    pub async fn worker_for(&self, deployment: &str, name: &str) -> Worker {
        let channel = self.internal(ServiceName::Worker);
        Worker::attend(deployment, name, channel, &self.queue, &self.storage).await
    }

    /// The internal port as another service reaches it.
    pub fn internal(&self, service: ServiceName) -> Channel {
        let keys = service_keys(&self.folder, service, &self.clock);
        connect(&self.gateway.internal, &keys, ServiceName::Gateway).expect("an address")
    }

    /// The same with the service's name proved to somebody else, at another time.
    pub fn internal_with(&self, service: ServiceName, audience: ServiceName, behind: Duration) -> Channel {
        let keys = service_keys(&self.folder, service, &ManualClock::at(self.clock.now() - behind));
        connect(&self.gateway.internal, &keys, audience).expect("an address")
    }

    /// The public port as somebody reaches it who also proves to be a service.
    pub fn public_as(&self, service: ServiceName, audience: ServiceName) -> Channel {
        let keys = service_keys(&self.folder, service, &self.clock);
        connect(&self.gateway.address, &keys, audience).expect("an address")
    }

    /// Moves the database's clock.
    pub async fn shift(&self, by: Duration) {
        self.database.shift_clock("generation", by).await;
    }

    /// Generations that exist, tombstones not included.
    pub async fn count(&self) -> i64 {
        self.number("select count(*) from generation.generations where state <> 'void'").await
    }

    /// One number out of the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a number")
    }

    /// The state that the row has now.
    pub async fn state(&self, name: &str) -> String {
        let id = GenerationId::from_name(name).expect("a name").uuid();
        let state = sqlx::query_scalar("select state from generation.generations where id = $1");
        state.bind(id).fetch_one(&self.pool).await.expect("a row")
    }

    /// Fails unless every law holds. Work may be under way.
    pub async fn keeps_the_laws(&self) {
        laws::hold(&self.pool).await;
    }

    /// Fails unless nothing is left to do, every law holds, billing was told everything once, and the gateway stops
    /// by itself. Returns what billing was told: before, settlements may still be on their way.
    pub async fn ends_clean(mut self) -> Settled {
        let settled = laws::at_rest(&self.pool, &self.billing).await;
        let letters = self.queue.dead_letters().await.expect("dead letters");
        assert!(letters.is_empty(), "dead letters remain: {letters:?}");
        self.clean = true;
        self.gateway.stop().await;
        settled
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.peers.force();
        self.billing.stop_listening();
        let forgotten = !self.clean && !std::thread::panicking();
        assert!(!forgotten, "the test ended without App::ends_clean");
    }
}

/// What the services log is shown with a test that fails.
fn show_logs() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().init();
    });
}

fn configure(options: &str) -> Config {
    let table = |text: &str| toml::from_str::<toml::Table>(text).expect("options");
    let lively = table(
        "timing.sweep_seconds = 1
         retries.backoff_base_seconds = 0
         limits.user_per_second = 100000
         limits.user_burst = 100000
         webhooks.trusted_hosts = [\"127.0.0.1\"]",
    );
    let settings = Settings::from_parts("gateway", DEFAULTS, lively).expect("defaults");
    let settings = settings.overridden(&table(options)).expect("options");
    settings.read().expect("a configuration")
}

fn catalogue(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("catalogue.toml");
    std::fs::write(&path, text).expect("written");
    path
}
