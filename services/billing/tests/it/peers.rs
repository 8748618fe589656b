//! The services around billing, as far as billing sees them: an account service and a gateway, over real gRPC.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::stream::{self, BoxStream, StreamExt as _};
use imagioo_proto::account::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use imagioo_proto::account::v1::watch_revocations_response::Event;
use imagioo_proto::account::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, RevocationSnapshot,
    WatchRevocationsRequest, WatchRevocationsResponse,
};
use imagioo_proto::generation::v1::hold_resolution_service_server::{
    HoldResolutionService, HoldResolutionServiceServer,
};
use imagioo_proto::generation::v1::resolve_hold_response::Answer;
use imagioo_proto::generation::v1::{
    HoldAlive, HoldSettled, HoldUnknown, ResolveHoldRequest, ResolveHoldResponse,
};
use imagioo_rpc::access::{AccessClaims, AccessSigner};
use imagioo_rpc::{AccessVerifier, Caller, InternalAuth, Revocations, Server, ServiceKeys, keys};
use imagioo_runtime::{Shutdown, net};
use imagioo_types::{Credential, GenerationId, Identity, ServiceName, SessionId, SystemClock, UserId};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tonic::{Request, Response, Status};

/// Keys of every service, a signer of access tokens, and the two peers of billing.
pub struct Peers {
    pub folder: TempDir,
    pub account: SocketAddr,
    pub gateway: SocketAddr,
    pub answers: Answers,
    signer: AccessSigner,
}

/// What the gateway says about generations; it is silent (`UNAVAILABLE`) about those it was told nothing of.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<HashMap<String, Answer>>>);

impl Answers {
    pub fn alive(&self, generation: GenerationId) {
        self.set(generation, Answer::Alive(HoldAlive {}));
    }

    pub fn settled(&self, generation: GenerationId, charge: i64) {
        self.set(generation, Answer::Settled(HoldSettled { charge }));
    }

    pub fn unknown(&self, generation: GenerationId) {
        self.set(generation, Answer::Unknown(HoldUnknown {}));
    }

    fn set(&self, generation: GenerationId, answer: Answer) {
        self.0.lock().expect("answers").insert(generation.name(), answer);
    }
}

impl Peers {
    pub async fn start(shutdown: &Shutdown) -> Self {
        let folder = TempDir::new().expect("folder");
        keys::generate(folder.path()).expect("keys");
        let signer = AccessSigner::from_pkcs8(&keys::new_pkcs8().expect("key")).expect("signer");
        let answers = Answers::default();
        let jwks = signer.jwks();
        let verifier = || {
            AccessVerifier::local(&signer.jwks(), Revocations::authoritative(), Arc::new(SystemClock))
                .expect("verifier")
        };
        let account =
            Server::internal(service_keys(&folder, ServiceName::Account), verifier()).expect("server");
        let account = account.add_service(IdentityServiceServer::new(FakeAccount { jwks }));
        let gateway =
            Server::internal(service_keys(&folder, ServiceName::Gateway), verifier()).expect("server");
        let gateway = gateway.add_service(HoldResolutionServiceServer::new(FakeGateway(answers.clone())));
        let (account, gateway) = (serve(account, shutdown).await, serve(gateway, shutdown).await);
        Self { folder, account, gateway, answers, signer }
    }

    pub fn keys(&self, service: ServiceName) -> ServiceKeys {
        service_keys(&self.folder, service)
    }

    /// A signed-in user.
    pub fn caller(&self, user: UserId) -> Caller {
        #[expect(clippy::disallowed_methods, reason = "token life is checked against the machine's clock")]
        let now = OffsetDateTime::now_utc();
        let identity = Identity {
            user,
            credential: Credential::Session(SessionId::generate()),
            issued_at: now,
            expires_at: now + Duration::minutes(5),
        };
        let token = self.signer.sign(&AccessClaims::of(&identity)).expect("token");
        Caller { identity, token: token.into() }
    }
}

fn service_keys(folder: &TempDir, service: ServiceName) -> ServiceKeys {
    ServiceKeys::load(&keys::config_in(folder.path(), service), service, Arc::new(SystemClock)).expect("keys")
}

async fn serve(server: Server<InternalAuth>, shutdown: &Shutdown) -> SocketAddr {
    let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("port");
    let address = listener.local_addr().expect("address");
    let until = shutdown.clone();
    shutdown.spawn("peer", async move { server.serve(listener, &until).await.expect("served") });
    address
}

struct FakeAccount {
    jwks: String,
}

#[tonic::async_trait]
impl IdentityService for FakeAccount {
    type WatchRevocationsStream = BoxStream<'static, Result<WatchRevocationsResponse, Status>>;

    async fn exchange_api_key(
        &self,
        _request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        Err(Status::unimplemented("billing exchanges no keys"))
    }

    async fn get_jwks(&self, _request: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { jwks: self.jwks.clone() }))
    }

    async fn watch_revocations(
        &self,
        _request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let snapshot =
            WatchRevocationsResponse { event: Some(Event::Snapshot(RevocationSnapshot::default())) };
        Ok(Response::new(stream::once(async { Ok(snapshot) }).chain(stream::pending()).boxed()))
    }
}

struct FakeGateway(Answers);

#[tonic::async_trait]
impl HoldResolutionService for FakeGateway {
    async fn resolve_hold(
        &self,
        request: Request<ResolveHoldRequest>,
    ) -> Result<Response<ResolveHoldResponse>, Status> {
        let name = request.into_inner().generation;
        let answer = self.0.0.lock().expect("answers").get(&name).copied();
        let answer = answer.ok_or_else(|| Status::unavailable("the gateway restarts"))?;
        Ok(Response::new(ResolveHoldResponse { answer: Some(answer) }))
    }
}
