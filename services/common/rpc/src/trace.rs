//! One trace across processes: W3C trace context in and out, a span and a duration per call.

use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use imagioo_types::ServiceName;
use opentelemetry::propagation::{Extractor, Injector};
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::web::speaks_grpc;

const SERVER_SECONDS: &str = "imagioo_rpc_server_seconds";

/// Registers the description of this module's metric with the process's recorder.
pub(crate) fn describe() {
    metrics::describe_histogram!(
        SERVER_SECONDS,
        metrics::Unit::Seconds,
        "time until an answer began, by method and status code of gRPC or HTTP"
    );
}

/// Opens a server span for every request, as the child of the caller's span, and measures it.
#[derive(Debug, Clone, Copy)]
pub struct TraceLayer {
    /// What the paths of HTTP routes begin with; each is a label of its own.
    pub paths: &'static [&'static str],
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, paths: self.paths }
    }
}

/// A service whose requests are traced.
#[derive(Debug, Clone)]
pub struct Traced<S> {
    inner: S,
    paths: &'static [&'static str],
}

impl<S> Service<Request<Body>> for Traced<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = known_method(request.uri().path(), self.paths);
        let span = tracing::info_span!("serve", otel.name = %path, otel.kind = "server", rpc.method = %path);
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&Headers(request.headers()))
        });
        // An error means that no OpenTelemetry layer is installed: then there is no trace to continue.
        let _ = span.set_parent(parent);
        let started = Instant::now();
        let answer = self.inner.call(request).instrument(span);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map(code).unwrap_or_default();
            metrics::histogram!(SERVER_SECONDS, "method" => path, "code" => code)
                .record(started.elapsed().as_secs_f64());
            answer
        })
    }
}

/// The method of a path if it is one of imagioo's; anything else becomes one label, so that callers cannot invent metrics.
fn known_method(path: &str, routes: &[&str]) -> String {
    let grpc = path.starts_with("/imagioo.") && path.len() < 100 && path.is_ascii();
    let under = |route: &&&str| {
        path.strip_prefix(**route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let route = routes.iter().find(under).copied();
    let ours = route.or(grpc.then_some(path)).unwrap_or("other");
    ours.trim_start_matches('/').to_owned()
}

/// How a call ended: the status of gRPC where there is one, or else the one of HTTP.
fn code(answer: &Response<Body>) -> String {
    let told = answer.headers().get("grpc-status").and_then(|value| value.to_str().ok());
    match told {
        Some(status) => status.to_owned(),
        None if speaks_grpc(answer.headers()) => "0".to_owned(),
        None => answer.status().as_u16().to_string(),
    }
}

pub(crate) fn client_span(path: &str, callee: ServiceName) -> Span {
    let path = path.trim_start_matches('/');
    tracing::info_span!("call", otel.name = %path, otel.kind = "client", rpc.method = %path, peer.service = %callee)
}

pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) {
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut HeadersMut(headers));
    });
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_become_labels() {
        let routes = ["/v1/models", "/v1/images/edits"];
        for (path, label) in [
            ("/imagioo.billing.v1.BillingService/GetBalance", "imagioo.billing.v1.BillingService/GetBalance"),
            ("/v1/models", "v1/models"),
            ("/v1/models/anything", "v1/models"),
            ("/v1/modelsx", "other"),
            ("/", "other"),
        ] {
            assert_eq!(known_method(path, &routes), label);
        }
    }
}
