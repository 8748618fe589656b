//! A collector of spans in the test's own process, which speaks OTLP over gRPC.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagioo_rpc::Incoming;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status};

/// Spans are sent every five seconds.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// The services of a stack.
pub const SERVICES: [&str; 4] = ["account", "billing", "gateway", "worker"];

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Received(Arc<Mutex<Vec<ResourceSpans>>>);

/// Keeps every span that is sent to it; ends with the value.
pub struct Collector {
    pub endpoint: String,
    received: Received,
    _server: JoinSet<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let received = Received::default();
        let service = TraceServiceServer::new(received.clone()).max_decoding_message_size(64 << 20);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let serving = tonic::transport::Server::builder().add_service(service);
            serving.serve_with_incoming(Incoming::of(listener)).await.expect("it serves");
        });
        Self { endpoint, received, _server: server }
    }

    /// Configuration that has every service send all its spans here and log at this level.
    pub fn overrides(&self, log: &str) -> Vec<(&'static str, toml::Table)> {
        let telemetry = format!(
            "telemetry = {{ otlp_endpoint = \"{}\", sample_ratio = 1.0, log = \"{log}\" }}",
            self.endpoint
        );
        SERVICES.map(|service| (service, telemetry.parse().expect("TOML"))).to_vec()
    }

    pub fn spans(&self) -> Vec<Span> {
        let received = self.received.0.lock().expect("unpoisoned");
        received.iter().flat_map(spans_of).collect()
    }

    /// Everything that arrived: names, attributes, events and resources.
    pub fn text(&self) -> String {
        format!("{:?}", self.received.0.lock().expect("unpoisoned"))
    }

    /// Waits for a trace whose first span has this name and in which every path can be walked, from a span to one of
    /// its descendants, from that to one of its own, and so on. Steps are a service and the name of a span.
    pub async fn walked(&self, first: &str, paths: &[&[(&str, &str)]]) {
        let deadline = Instant::now() + ARRIVES_WITHIN;
        loop {
            let trace = trace_of(&self.spans(), first);
            let missing: Vec<_> = paths.iter().filter(|path| !walks(&trace, path)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "no way along {missing:#?} in\n{}", drawn(&trace));
            sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("unpoisoned").extend(request.into_inner().resource_spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans_of(sent: &ResourceSpans) -> Vec<Span> {
    let attributes = sent.resource.iter().flat_map(|resource| &resource.attributes);
    let value = attributes.filter(|entry| entry.key == "service.name").find_map(|entry| entry.value.clone());
    let service = match value.and_then(|value| value.value) {
        Some(Value::StringValue(service)) => service,
        _ => String::new(),
    };
    let spans = sent.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans
        .map(|span| Span {
            service: service.clone(),
            name: span.name.clone(),
            trace: span.trace_id.clone(),
            id: span.span_id.clone(),
            parent: span.parent_span_id.clone(),
        })
        .collect()
}

/// The trace whose first span has this name.
fn trace_of(spans: &[Span], first: &str) -> Vec<Span> {
    let root = spans.iter().find(|span| span.name == first && span.parent.is_empty());
    root.map(|root| spans.iter().filter(|span| span.trace == root.trace).cloned().collect())
        .unwrap_or_default()
}

fn walks(trace: &[Span], path: &[(&str, &str)]) -> bool {
    let mut reached: Vec<&Span> = trace.iter().filter(|span| span.parent.is_empty()).collect();
    for (service, name) in path {
        let wanted = trace.iter().filter(|span| span.service == *service && span.name == *name);
        reached = wanted.filter(|span| reached.iter().any(|above| descends(trace, span, above))).collect();
    }
    !reached.is_empty()
}

/// Whether `span` is `above`, or somewhere beneath it.
fn descends(trace: &[Span], span: &Span, above: &Span) -> bool {
    span.id == above.id
        || trace.iter().find(|next| next.id == span.parent).is_some_and(|next| descends(trace, next, above))
}

/// The spans as a tree, for a person.
fn drawn(trace: &[Span]) -> String {
    fn draw(trace: &[Span], parent: &[u8], depth: usize, lines: &mut Vec<String>) {
        for span in trace.iter().filter(|span| span.parent == parent) {
            lines.push(format!("{}{}: {}", "  ".repeat(depth), span.service, span.name));
            draw(trace, &span.id, depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    draw(trace, &[], 0, &mut lines);
    lines.join("\n")
}
