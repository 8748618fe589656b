//! gRPC-Web beside gRPC: calls of browsers are translated, everything else passes as it is.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

const GRPC: &str = "application/grpc";
const GRPC_WEB: &str = "application/grpc-web";

/// Whether a request expects an answer in gRPC or gRPC-Web, and not in plain HTTP.
#[must_use]
pub fn speaks_grpc(headers: &HeaderMap) -> bool {
    has_type(headers, GRPC)
}

fn has_type(headers: &HeaderMap, kind: &str) -> bool {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    found.is_some_and(|found| found.starts_with(kind))
}

/// Lets pages of these origins call from a browser, if there are any; credentials travel in a header of the page's own
/// making, never in a cookie.
pub(crate) fn cors(origins: Vec<HeaderValue>) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    // Whatever a client goes by: what a page does not see, its SDK cannot heed.
    let shown = [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "x-request-id",
        "x-imagioo-generation",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
    ];
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins)
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(shown.map(HeaderName::from_static));
    Some(layer)
}

/// Translates gRPC-Web.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebLayer;

impl<S: Clone> Layer<S> for WebLayer {
    type Service = Web<S>;

    fn layer(&self, inner: S) -> Web<S> {
        Web { translated: GrpcWebLayer::new().layer(inner.clone()), plain: inner }
    }
}

/// A service that is reached by gRPC-Web, too.
#[derive(Clone)]
pub(crate) struct Web<S> {
    plain: S,
    translated: GrpcWebService<S>,
}

impl<S> Service<Request<Body>> for Web<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.plain.poll_ready(context)?.is_pending() {
            return Poll::Pending;
        }
        Service::<Request<Body>>::poll_ready(&mut self.translated, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if has_type(request.headers(), GRPC_WEB) {
            self.translated.call(request).boxed()
        } else {
            self.plain.call(request).boxed()
        }
    }
}
