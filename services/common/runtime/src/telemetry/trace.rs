//! Spans and their way between processes, as W3C trace context.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, global};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::{TelemetryConfig, TelemetryError};

const TRACEPARENT: &str = "traceparent";

/// The trace that the current span belongs to, as 32 hexadecimal digits: what an error shows its reader.
#[must_use]
pub fn id() -> Option<String> {
    let context = Span::current().context();
    let trace = context.span().span_context().trace_id();
    (trace != opentelemetry::TraceId::INVALID).then(|| trace.to_string())
}

/// The current span as a `traceparent`, to be stored with a message.
#[must_use]
pub fn traceparent() -> Option<String> {
    let mut carrier = Carrier(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// Makes `span`, which was not entered yet, a child of the one that `traceparent` names. A malformed one is
/// ignored.
pub fn continue_from(span: &Span, traceparent: &str) {
    adopt(span, parse(traceparent));
}

/// Links `span` to the one that `traceparent` names, for work that has several causes. A malformed one is
/// ignored.
pub fn link(span: &Span, traceparent: &str) {
    let context = parse(traceparent);
    let cause = context.span().span_context().clone();
    if cause.is_valid() {
        span.add_link(cause);
    }
}

/// Writes the current span into the headers of an outgoing call.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
}

/// Makes `span`, which was not entered yet, a child of the caller's.
pub fn extract(span: &Span, headers: &HeaderMap) {
    adopt(span, TraceContextPropagator::new().extract_with_context(&Context::new(), &ReadHeaders(headers)));
}

/// Lets foreign libraries speak W3C trace context too.
pub(super) fn propagate() {
    global::set_text_map_propagator(TraceContextPropagator::new());
}

/// Trace ids exist always; spans are recorded and sent only to a configured collector.
pub(super) fn provider(
    service: &'static str,
    config: &TelemetryConfig,
) -> Result<SdkTracerProvider, TelemetryError> {
    if !(0.0..=1.0).contains(&config.sample_ratio) {
        return Err(TelemetryError::Ratio(config.sample_ratio));
    }
    let builder =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(service).build());
    if config.otlp_endpoint.is_empty() {
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    }
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(config.otlp_endpoint.as_str())
        .build()
        .map_err(TelemetryError::Endpoint)?;
    let share = Sampler::TraceIdRatioBased(config.sample_ratio);
    Ok(builder.with_sampler(Sampler::ParentBased(Box::new(share))).with_batch_exporter(exporter).build())
}

/// Turns spans of level info and above into OpenTelemetry's.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("imagioo"))
        .with_location(false)
        .with_threads(false)
        .with_filter(LevelFilter::INFO)
}

fn adopt(span: &Span, parent: Context) {
    if parent.span().span_context().is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "span keeps its own trace");
    }
}

fn parse(traceparent: &str) -> Context {
    let carrier = Carrier(Some(traceparent.to_owned()));
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// A lone `traceparent`.
struct Carrier(Option<String>);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct ReadHeaders<'a>(&'a HeaderMap);

impl Extractor for ReadHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traced(test: impl FnOnce()) {
        let provider = provider("test", &TelemetryConfig::default()).expect("a provider");
        with_default(tracing_subscriber::registry().with(layer(&provider)), test);
    }

    #[test]
    fn a_trace_continues_through_a_message() {
        traced(|| {
            let span = tracing::info_span!("consumer");
            continue_from(&span, PARENT);
            let _inside = span.enter();
            assert_eq!(id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
            let next = traceparent().expect("inside a span");
            assert!(next.contains("0af7651916cd43dd8448eb211c80319c") && next != PARENT, "{next}");
        });
    }

    #[test]
    fn a_trace_continues_through_headers() {
        traced(|| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
            let span = tracing::info_span!("server");
            extract(&span, &headers);
            let _inside = span.enter();
            let mut onward = HeaderMap::new();
            inject(&mut onward);
            let onward = onward[TRACEPARENT].to_str().expect("ASCII");
            assert!(onward.contains("0af7651916cd43dd8448eb211c80319c"), "{onward}");
        });
    }

    #[test]
    fn a_malformed_trace_starts_a_new_one() {
        traced(|| {
            let span = tracing::info_span!("consumer");
            continue_from(&span, "00-nonsense");
            link(&span, "nonsense");
            let _inside = span.enter();
            assert!(id().is_some());
        });
    }

    #[test]
    fn there_is_no_trace_outside_a_span() {
        traced(|| assert_eq!((id(), traceparent()), (None, None)));
    }
}
