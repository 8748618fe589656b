//! The service under test, and the verbs the tests speak in.

use std::sync::Arc;
use std::time::Duration;

use imagioo_account::{Config, DEFAULTS, MIGRATOR, Parts};
use imagioo_proto::account::v1::account_admin_service_client::AccountAdminServiceClient;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::identity_service_client::IdentityServiceClient;
use imagioo_proto::account::v1::{
    CheckAccountsRequest, CreateApiKeyRequest, CreateApiKeyResponse, ExchangeApiKeyRequest, GetMeRequest,
    RefreshSessionRequest, RevokeApiKeyRequest, Session, SignInRequest, SignOutRequest, SignUpRequest,
    SignUpResponse, User,
};
use imagioo_queue::Queue;
use imagioo_rpc::{AccessVerifier, Channel, RpcError, ServiceKeys, bearer, connect, keys};
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::{Settings, Shutdown, net};
use imagioo_testkit::Database;
use imagioo_types::{ServiceName, SystemClock, UserId};
use sqlx::PgPool;
use tempfile::TempDir;
use tonic::Request;

pub const PASSWORD: &str = "correct horse battery";

pub struct App {
    /// Connections as the service itself.
    pub pool: PgPool,
    pub queue: Queue,
    pub shutdown: Shutdown,
    pub accounts: AccountServiceClient<Channel>,
    pub identity: IdentityServiceClient<Channel>,
    pub admin: AccountAdminServiceClient<Channel>,
    channel: Channel,
    database: Database,
    _folder: TempDir,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(toml::Table::new()).await
    }

    pub async fn start_with(overrides: toml::Table) -> Self {
        let database = Database::create(&[("account", &MIGRATOR)]).await;
        let pool = database.service("account", &MIGRATOR).await.expect("a pool");
        let folder = tempfile::tempdir().expect("a folder");
        keys::generate(folder.path()).expect("keys");
        let config = configure(&database, &folder, overrides);
        let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let (queue, shutdown) = (Queue::in_process(), Shutdown::new(Duration::from_secs(5)));
        let readiness = Readiness::new();
        let parts = Parts {
            listener,
            queue: queue.clone(),
            clock: Arc::new(SystemClock),
            readiness: readiness.clone(),
        };
        let served = imagioo_account::serve(config, parts, shutdown.clone());
        // The deny list is read before anything that changes is let in.
        readiness.gate("account");
        shutdown.spawn("account", async move { served.await.expect("served") });
        readiness.opened().await;
        let channel = |name| {
            let keys = ServiceKeys::load(&keys::config_in(folder.path(), name), name, Arc::new(SystemClock));
            connect(&address, &keys.expect("keys"), ServiceName::Account).expect("an address")
        };
        let gateway = channel(ServiceName::Gateway);
        Self {
            pool,
            queue,
            shutdown,
            accounts: AccountServiceClient::new(gateway.clone()),
            identity: IdentityServiceClient::new(gateway.clone()),
            admin: AccountAdminServiceClient::new(channel(ServiceName::Operator)),
            channel: gateway,
            database,
            _folder: folder,
        }
    }

    /// A verifier of access tokens such as every other service has.
    pub fn verifier(&self) -> AccessVerifier {
        AccessVerifier::remote(self.channel.clone(), Arc::new(SystemClock), &self.shutdown)
    }

    pub async fn sign_up(&self, email: &str) -> SignUpResponse {
        self.try_sign_up(email, PASSWORD).await.expect("signed up")
    }

    pub async fn try_sign_up(&self, email: &str, password: &str) -> Result<SignUpResponse, RpcError> {
        let request = SignUpRequest { email: email.into(), password: password.into() };
        Ok(self.accounts.clone().sign_up(request).await?.into_inner())
    }

    /// The session of a new person.
    pub async fn person(&self, email: &str) -> Session {
        self.sign_up(email).await.session.expect("a session")
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Session, RpcError> {
        let request = SignInRequest { email: email.into(), password: password.into() };
        let response = self.accounts.clone().sign_in(request).await?.into_inner();
        Ok(response.session.expect("a session"))
    }

    pub async fn refresh(&self, refresh_token: &str) -> Result<Session, RpcError> {
        let request = RefreshSessionRequest { refresh_token: refresh_token.into() };
        let response = self.accounts.clone().refresh_session(request).await?.into_inner();
        Ok(response.session.expect("a session"))
    }

    pub async fn sign_out(&self, refresh_token: &str) -> Result<(), RpcError> {
        let request = SignOutRequest { refresh_token: refresh_token.into() };
        self.accounts.clone().sign_out(request).await?;
        Ok(())
    }

    pub async fn get_me(&self, access_token: &str) -> Result<User, RpcError> {
        let request = authorised(access_token, GetMeRequest {});
        let response = self.accounts.clone().get_me(request).await?.into_inner();
        Ok(response.user.expect("a user"))
    }

    pub async fn create_key(&self, access_token: &str) -> Result<CreateApiKeyResponse, RpcError> {
        let message = CreateApiKeyRequest { display_name: "laptop".into(), expire_time: None };
        let request = authorised(access_token, message);
        Ok(self.accounts.clone().create_api_key(request).await?.into_inner())
    }

    pub async fn revoke_key(&self, access_token: &str, name: &str) -> Result<(), RpcError> {
        let request = authorised(access_token, RevokeApiKeyRequest { name: name.into() });
        self.accounts.clone().revoke_api_key(request).await?;
        Ok(())
    }

    /// The access token for an API key.
    pub async fn exchange(&self, secret: &str) -> Result<String, RpcError> {
        let request = ExchangeApiKeyRequest { secret: secret.into() };
        Ok(self.identity.clone().exchange_api_key(request).await?.into_inner().access_token)
    }

    pub async fn outbox(&self) -> i64 {
        let response = self.admin.clone().check_accounts(CheckAccountsRequest {}).await;
        response.expect("checked").into_inner().outbox
    }

    /// Moves the database's clock forward.
    pub async fn advance_clock(&self, by: Duration) {
        let by = time::Duration::try_from(by).expect("a short time");
        self.database.shift_clock("account", by).await;
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

fn configure(database: &Database, folder: &TempDir, overrides: toml::Table) -> Config {
    let settings = Settings::from_parts("account", DEFAULTS, overrides).expect("settings");
    let mut config: Config = settings.read().expect("a configuration");
    config.database = database.config("account");
    config.identity = keys::config_in(folder.path(), ServiceName::Account);
    config.tokens.signing_key_file = folder.path().join("access.key");
    config.tokens.create_missing = true;
    config.deny_list.poll_ms = 50;
    config
}

/// A request with a user's access token.
pub fn authorised<T>(access_token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(access_token).expect("text"));
    request
}

pub fn user_id(user: &User) -> UserId {
    UserId::from_name(&user.name).expect("a user name")
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut tries = tokio::time::interval(Duration::from_millis(20));
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tries.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}
