//! The edge: every public call is identified, limited and routed here, before any service sees it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::IntoResponse as _;
use http::{HeaderValue, Method, Request, Response, header};
use imagioo_rpc::{
    AccessVerifier, Caller, Channel, Code, Door, Effect, InternalAuth, RpcError, SERVICE_HEADER, speaks_grpc,
};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use crate::openai::{self, Arrival, Refusal, RequestId};

mod api_keys;
mod limits;
mod routes;

pub(crate) use api_keys::ApiKeys;
pub(crate) use limits::Limiter;
pub(crate) use routes::told;
use routes::{Access, Route, Target};

/// Everything the edge decides with. Clones share it.
#[derive(Clone)]
pub(crate) struct Edge(Arc<Parts>);

/// See [`Edge`].
pub(crate) struct Parts {
    pub(crate) api_keys: ApiKeys,
    pub(crate) verifier: AccessVerifier,
    pub(crate) limiter: Limiter,
    pub(crate) operator: InternalAuth,
    pub(crate) account: Channel,
    pub(crate) billing: Channel,
    /// The same services without our own service token, for calls that carry the operator's.
    pub(crate) account_admin: tonic::transport::Channel,
    pub(crate) billing_admin: tonic::transport::Channel,
}

impl Edge {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Decides about a request: who is calling and where it goes.
    async fn decide(&self, mut request: Request<Body>) -> Result<(Request<Body>, Target), RpcError> {
        let route = Route::of(request.uri().path())?;
        match route.access {
            Access::Open => {
                request.headers_mut().remove(SERVICE_HEADER);
                request.headers_mut().remove(header::AUTHORIZATION);
            }
            Access::Credentials => {
                request.headers_mut().remove(SERVICE_HEADER);
                request.headers_mut().remove(header::AUTHORIZATION);
                self.0.limiter.address(address(&request)).await?;
            }
            Access::User => self.identify(&mut request).await?,
            Access::Operator => {
                if route.target == Target::Here {
                    let (headers, path) = (request.headers(), request.uri().path());
                    let service = self.0.operator.service(headers, path)?;
                    request.extensions_mut().insert(service);
                }
            }
        }
        Ok((request, route.target))
    }

    /// Verifies the caller's credentials and puts a token that every service can verify in their place.
    async fn identify(&self, request: &mut Request<Body>) -> Result<(), RpcError> {
        request.headers_mut().remove(SERVICE_HEADER);
        let credential = api_keys::credential(request.headers())?;
        let token = if api_keys::is_api_key(&credential) {
            let token = self.token(&credential, address(request)).await?;
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(RpcError::internal)?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
            token
        } else {
            credential
        };
        let identity = self.0.verifier.verify(&token, effect(request)).await?;
        self.0.limiter.user(identity.user).await?;
        request.extensions_mut().insert(Caller { identity, token });
        Ok(())
    }

    /// The access token that an API key stands for. Who offers wrong ones again and again is not listened to.
    async fn token(&self, key: &str, from: Option<IpAddr>) -> Result<Arc<str>, RpcError> {
        if let Some(token) = self.0.api_keys.remembered(key).await {
            return Ok(token);
        }
        self.0.limiter.may_offer_keys(from).await?;
        let exchanged = self.0.api_keys.exchange(key).await;
        if matches!(&exchanged, Err(error) if error.code() == Code::ApiKeyInvalid) {
            self.0.limiter.wrong_key(from).await?;
        }
        exchanged
    }

    async fn forward(&self, target: Target, request: Request<Body>) -> Response<Body> {
        let answer = match target {
            Target::Account => self.0.account.clone().call_ready(request).await,
            Target::Billing => self.0.billing.clone().call_ready(request).await,
            Target::AccountAdmin => self.0.account_admin.clone().call_ready(request).await,
            Target::BillingAdmin => self.0.billing_admin.clone().call_ready(request).await,
            Target::Here => return Status::internal("not routed").into_http(),
        };
        answer.unwrap_or_else(|error| {
            let refusal = RpcError::new(Code::Unavailable, "a part of imagioo does not answer; try again");
            Status::from(refusal.caused_by(error)).into_http()
        })
    }
}

/// Waits until a channel takes calls, then calls.
trait CallReady {
    async fn call_ready(self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error>;
}

impl<S> CallReady for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = tonic::transport::Error>,
{
    async fn call_ready(mut self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
        std::future::poll_fn(|context| self.poll_ready(context)).await?;
        self.call(request).await
    }
}

/// What a call does: plain HTTP says it by its method, gRPC by the method's name.
fn effect(request: &Request<Body>) -> Effect {
    match (openai::serves(request.uri().path()), request.method()) {
        (false, _) => Effect::of_path(request.uri().path()),
        (true, &Method::GET) => Effect::Read,
        (true, _) => Effect::Change,
    }
}

fn address(request: &Request<Body>) -> Option<IpAddr> {
    request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip())
}

impl Door for Edge {
    /// What the gateway does not serve itself is passed on from here.
    async fn admit(&self, mut request: Request<Body>) -> Result<Request<Body>, Response<Body>> {
        let http = (!speaks_grpc(request.headers())).then(RequestId::generate);
        if let Some(id) = &http {
            request.extensions_mut().insert(id.clone());
            request.extensions_mut().insert(Arrival::now());
        }
        match (self.decide(request).await, http) {
            (Ok((request, Target::Here)), _) => Ok(request),
            (Ok((request, target)), _) => Err(self.forward(target, request).await),
            (Err(refusal), None) => Err(Status::from(refusal).into_http()),
            (Err(refusal), Some(id)) => Err(id.mark(Refusal::from(refusal).into_response()).map(Body::new)),
        }
    }
}
