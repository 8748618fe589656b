//! The check at the door of every internal server: which service is calling, and for which user.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use imagioo_types::ServiceName;
use moka::sync::Cache;
use time::OffsetDateTime;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{
    AccessVerifier, Caller, Code, Effect, RpcError, SERVICE_HEADER, ServiceKeys, allow, bearer_token,
    service_token,
};

/// Methods that need no credentials: health and reflection show nothing secret.
const OPEN: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// Lets a request in only with an allow-listed service token; a user token, if present, must be valid too.
/// Verified facts travel in the request's extensions ([`ServiceName`], [`Caller`]).
#[derive(Clone)]
pub struct InternalAuth(Arc<Inner>);

struct Inner {
    keys: ServiceKeys,
    verifier: AccessVerifier,
    known: Cache<String, (ServiceName, OffsetDateTime)>,
}

impl InternalAuth {
    /// The check for the service that owns `keys`.
    #[must_use]
    pub fn new(keys: ServiceKeys, verifier: AccessVerifier) -> Self {
        Self(Arc::new(Inner { keys, verifier, known: Cache::new(1_000) }))
    }

    /// The service whose token the headers carry, if it may call `path` here.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] without a valid token, [`Code::PermissionDenied`] off the allow-list.
    pub fn service(&self, headers: &HeaderMap, path: &str) -> Result<ServiceName, RpcError> {
        let token = headers.get(SERVICE_HEADER).and_then(|value| value.to_str().ok()).ok_or_else(|| {
            RpcError::new(
                Code::Unauthenticated,
                "this address is for imagioo's services: call the gateway instead",
            )
        })?;
        let name = self.verified(token)?;
        if allow::allows(name, self.0.keys.me(), path) {
            return Ok(name);
        }
        Err(RpcError::new(Code::PermissionDenied, format!("{name} may not call this method")))
    }

    fn verified(&self, token: &str) -> Result<ServiceName, RpcError> {
        let now = self.0.keys.clock.now();
        if let Some((name, _)) = self.0.known.get(token).filter(|(_, expires)| now < *expires) {
            return Ok(name);
        }
        let (name, expires) = service_token::verify(&self.0.keys, token)?;
        self.0.known.insert(token.to_owned(), (name, expires));
        Ok(name)
    }

    async fn admit(&self, mut request: Request<Body>) -> Result<Request<Body>, RpcError> {
        let path = request.uri().path().to_owned();
        if OPEN.iter().any(|open| path.starts_with(open)) {
            return Ok(request);
        }
        let service = self.service(request.headers(), &path)?;
        request.extensions_mut().insert(service);
        if let Some(token) = bearer_token(request.headers())? {
            let identity = self.0.verifier.verify(&token, Effect::of_path(&path)).await?;
            request.extensions_mut().insert(Caller { identity, token });
        }
        Ok(request)
    }
}

impl<S> Layer<S> for InternalAuth {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { auth: self.clone(), inner }
    }
}

/// A service behind [`InternalAuth`].
#[derive(Clone)]
pub struct Guarded<S> {
    auth: InternalAuth,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let auth = self.auth.clone();
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match auth.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(error) => Ok(Status::from(error).into_http()),
            }
        })
    }
}
