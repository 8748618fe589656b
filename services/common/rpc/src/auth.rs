//! The check at the door of every internal server: which service is calling, and for which user.

use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use imagioo_types::ServiceName;
use moka::sync::Cache;
use time::OffsetDateTime;
use tonic::Status;
use tonic::body::Body;

use crate::{
    AccessVerifier, Caller, Code, Door, Effect, RpcError, SERVICE_HEADER, ServiceKeys, allow, bearer_token,
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

    async fn authenticate(&self, mut request: Request<Body>) -> Result<Request<Body>, RpcError> {
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

impl Door for InternalAuth {
    async fn admit(&self, request: Request<Body>) -> Result<Request<Body>, Response<Body>> {
        self.authenticate(request).await.map_err(|error| Status::from(error).into_http())
    }
}
