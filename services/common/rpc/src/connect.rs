//! The calling end: a channel to another service that proves our name and carries trace and deadline.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderValue, Request, Response};
use imagioo_types::ServiceName;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{self, Endpoint};
use tower::Service;
use tracing::Instrument as _;

use crate::service_token::ServiceSigner;
use crate::{SERVICE_HEADER, ServiceKeys, patience, trace};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A peer that does not say so by then is gone, however busy; the next call finds it or another one.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);
/// Applied when a call sets no deadline of its own; counts until the first byte of the answer.
const DEFAULT_TIMEOUT: HeaderValue = HeaderValue::from_static("10S");
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// A service address that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` is not a service address: write it as `http://host:port`")]
pub struct ConnectError {
    address: String,
    #[source]
    source: transport::Error,
}

/// A connection to another service; connects when first used and again after every loss. A call that no server has seen is
/// made again for a few seconds, so that a restart of the peer fails nobody. Clones share it.
#[derive(Clone)]
pub struct Channel {
    inner: transport::Channel,
    signer: Arc<ServiceSigner>,
    audience: ServiceName,
}

/// A channel to the service `audience` at `address`.
///
/// # Errors
/// [`ConnectError`] for an address that is none. An unreachable service shows at the first call, after a few seconds.
pub fn connect(address: &str, keys: &ServiceKeys, audience: ServiceName) -> Result<Channel, ConnectError> {
    let inner = plain_endpoint(address)?.connect_lazy();
    Ok(Channel { inner, signer: Arc::new(ServiceSigner::new(keys.clone())), audience })
}

/// An endpoint with imagioo's connection settings and no identity, as a client outside the system has.
///
/// # Errors
/// [`ConnectError`] for an address that is none.
pub fn plain_endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|source| ConnectError { address: address.to_owned(), source })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(ALIVE_WITHIN)
        .keep_alive_while_idle(true))
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, transport::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), transport::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let token = match self.signer.token(self.audience) {
            Ok(token) => token,
            Err(error) => return futures::future::ok(Status::from(error).into_http()).boxed(),
        };
        if let Ok(mut value) = HeaderValue::from_str(&token) {
            value.set_sensitive(true);
            request.headers_mut().insert(SERVICE_HEADER, value);
        }
        request.headers_mut().entry(TIMEOUT_HEADER).or_insert(DEFAULT_TIMEOUT);
        let span = trace::client_span(request.uri().path(), self.audience);
        trace::inject(&span, request.headers_mut());
        // The clone is not ready yet, this one is.
        let next = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, next);
        patience::call(ready, request).instrument(span).boxed()
    }
}
