//! The account service as the gateway sees it: signing keys, a deny list, API keys, and calls passed on to it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, Request as HttpRequest, Response as HttpResponse};
use imagioo_proto::account::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use imagioo_proto::account::v1::watch_revocations_response::Event;
use imagioo_proto::account::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, Revocation,
    RevocationHeartbeat, RevocationSnapshot, WatchRevocationsRequest, WatchRevocationsResponse, revocation,
};
use imagioo_rpc::access::{AccessClaims, AccessSigner};
use imagioo_rpc::{AccessVerifier, Code, Revocations, RpcError, Server, ServiceKeys, keys};
use imagioo_runtime::{Shutdown, net};
use imagioo_types::{
    ApiKeyId, Clock as _, Credential, Identity, ManualClock, ServiceName, SessionId, UserId,
};
use prost_types::Timestamp;
use tempfile::TempDir;
use time::{Duration as Span, OffsetDateTime};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tower::Service;

const HEARTBEAT: Duration = Duration::from_millis(200);
const TOKEN_LIFE: Span = Span::minutes(5);

/// A scripted account service. Clones share it.
#[derive(Clone)]
pub struct Account {
    pub address: String,
    state: Arc<State>,
}

struct State {
    signer: AccessSigner,
    clock: ManualClock,
    api_keys: Mutex<HashMap<String, (UserId, ApiKeyId)>>,
    exchanges: Mutex<usize>,
    revoked: watch::Sender<Vec<Revocation>>,
    silent: watch::Sender<bool>,
    /// Headers and service names of the calls that reached `AccountService`.
    passed_on: Mutex<Vec<(HeaderMap, Option<ServiceName>)>>,
}

impl Account {
    pub async fn start(folder: &TempDir, clock: &ManualClock, shutdown: &Shutdown) -> Self {
        let signer = AccessSigner::from_pkcs8(&keys::new_pkcs8().expect("a key")).expect("a signer");
        let state = Arc::new(State {
            signer,
            clock: clock.clone(),
            api_keys: Mutex::default(),
            exchanges: Mutex::default(),
            revoked: watch::Sender::new(Vec::new()),
            silent: watch::Sender::new(false),
            passed_on: Mutex::default(),
        });
        let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let account = Self { address, state };
        let server = Server::internal(service_keys(folder, ServiceName::Account, clock), account.verifier())
            .expect("a server")
            .add_service(IdentityServiceServer::new(account.clone()))
            .add_service(PassedOn(account.clone()));
        let until = shutdown.clone();
        shutdown.spawn("account", async move { server.serve(listener, &until).await.expect("served") });
        account
    }

    /// What verifies this service's tokens in another one.
    pub fn verifier(&self) -> AccessVerifier {
        let clock = Arc::new(self.state.clock.clone());
        AccessVerifier::local(&self.state.signer.jwks(), Revocations::authoritative(), clock)
            .expect("a verifier")
    }

    /// The access token of a new session.
    pub fn sign_in(&self, user: UserId) -> (SessionId, String) {
        let session = SessionId::generate();
        (session, self.token(user, Credential::Session(session), TOKEN_LIFE))
    }

    /// A token that runs out after `life`, which may be over.
    pub fn token(&self, user: UserId, credential: Credential, life: Span) -> String {
        self.state.sign(&self.state.signer, user, credential, life)
    }

    /// The token of somebody who signs with a key of their own.
    pub fn forged(&self, user: UserId) -> String {
        let forger = AccessSigner::from_pkcs8(&keys::new_pkcs8().expect("a key")).expect("a signer");
        self.state.sign(&forger, user, Credential::Session(SessionId::generate()), TOKEN_LIFE)
    }

    /// The secret of a new API key.
    pub fn create_key(&self, user: UserId) -> (ApiKeyId, String) {
        let key = ApiKeyId::generate();
        let secret = format!("img_live_{}_secret", key.uuid().simple());
        self.state.api_keys.lock().expect("keys").insert(secret.clone(), (user, key));
        (key, secret)
    }

    /// How often a key was exchanged for a token, or refused.
    pub fn exchanges(&self) -> usize {
        *self.state.exchanges.lock().expect("exchanges")
    }

    pub fn revoke_session(&self, session: SessionId) {
        self.revoke(revocation::Subject::Session(session.name()));
    }

    pub fn revoke_key(&self, key: ApiKeyId) {
        self.state.api_keys.lock().expect("keys").retain(|_, (_, known)| *known != key);
        self.revoke(revocation::Subject::ApiKey(key.name()));
    }

    fn revoke(&self, subject: revocation::Subject) {
        let revoke_time = Some(timestamp(self.state.clock.now()));
        let entry = Revocation { subject: Some(subject), revoke_time };
        self.state.revoked.send_modify(|revoked| revoked.push(entry));
    }

    /// While silent, nobody hears what was revoked, or that nothing was.
    pub fn be_silent(&self, silent: bool) {
        self.state.silent.send_replace(silent);
    }

    /// Headers and calling services of what was passed on to this service's public methods.
    pub fn passed_on(&self) -> Vec<(HeaderMap, Option<ServiceName>)> {
        self.state.passed_on.lock().expect("headers").clone()
    }
}

impl State {
    fn sign(&self, signer: &AccessSigner, user: UserId, credential: Credential, life: Span) -> String {
        let now = self.clock.now();
        let (issued_at, expires_at) = (now.min(now + life), now + life);
        let identity = Identity { user, credential, issued_at, expires_at };
        signer.sign(&AccessClaims::of(&identity)).expect("a token")
    }
}

pub fn service_keys(folder: &TempDir, service: ServiceName, clock: &ManualClock) -> ServiceKeys {
    let files = keys::config_in(folder.path(), service);
    ServiceKeys::load(&files, service, Arc::new(clock.clone())).expect("keys")
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: at.unix_timestamp(), nanos: i32::try_from(at.nanosecond()).expect("below 10⁹") }
}

#[tonic::async_trait]
impl IdentityService for Account {
    type WatchRevocationsStream = BoxStream<'static, Result<WatchRevocationsResponse, Status>>;

    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        *self.state.exchanges.lock().expect("exchanges") += 1;
        let found = self.state.api_keys.lock().expect("keys").get(&request.into_inner().secret).copied();
        let (user, key) = found.ok_or_else(|| RpcError::new(Code::ApiKeyInvalid, "make a new key"))?;
        Ok(Response::new(ExchangeApiKeyResponse {
            access_token: self.token(user, Credential::ApiKey(key), TOKEN_LIFE),
            expire_time: Some(timestamp(self.state.clock.now() + TOKEN_LIFE)),
        }))
    }

    async fn get_jwks(&self, _request: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { jwks: self.state.signer.jwks() }))
    }

    async fn watch_revocations(
        &self,
        _request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let mut revoked = self.state.revoked.subscribe();
        revoked.mark_changed();
        let following = (revoked, self.state.silent.subscribe());
        let events = stream::unfold(following, |(mut revoked, mut silent)| async move {
            let event = next(&mut revoked, &mut silent).await?;
            Some((Ok(WatchRevocationsResponse { event: Some(event) }), (revoked, silent)))
        });
        Ok(Response::new(events.boxed()))
    }
}

/// What the deny list has to say next: everything after a change, and otherwise that nothing changed.
async fn next(
    revoked: &mut watch::Receiver<Vec<Revocation>>,
    silent: &mut watch::Receiver<bool>,
) -> Option<Event> {
    silent.wait_for(|silent| !silent).await.ok()?;
    let changed = tokio::time::timeout(HEARTBEAT, revoked.changed()).await;
    silent.wait_for(|silent| !silent).await.ok()?;
    match changed {
        Err(_) => Some(Event::Heartbeat(RevocationHeartbeat {})),
        Ok(Err(_)) => None,
        Ok(Ok(())) => {
            Some(Event::Snapshot(RevocationSnapshot { revocations: revoked.borrow_and_update().clone() }))
        }
    }
}

/// `AccountService`: notes what arrives and has no answer.
#[derive(Clone)]
struct PassedOn(Account);

impl NamedService for PassedOn {
    const NAME: &'static str = "imagioo.account.v1.AccountService";
}

impl Service<HttpRequest<Body>> for PassedOn {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Ready<Result<HttpResponse<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let service = request.extensions().get::<ServiceName>().copied();
        self.0.state.passed_on.lock().expect("headers").push((request.headers().clone(), service));
        ready(Ok(Status::unimplemented("the account service of the tests has no people").into_http()))
    }
}
