//! The trace that a message belongs to, as a W3C `traceparent`.

use std::collections::HashMap;

use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::message::Message;

const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the current span; nothing where nobody traces.
pub(crate) fn current() -> Option<String> {
    of(&Span::current())
}

/// The `traceparent` of a span.
pub(crate) fn of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// The producer's span: part of the trace that the message was made in, and what its consumers will be children of.
pub(crate) fn produce(message: &mut Message) -> Span {
    let span = tracing::info_span!(
        "publish",
        otel.name = format!("{} publish", message.name),
        otel.kind = "producer",
        message = %message.name,
        message_id = %message.id,
    );
    connect(&span, message.trace.as_deref(), None);
    message.trace = of(&span).or(message.trace.take());
    span
}

/// Makes `span` a child of the producer and, on a redelivery, links it to the delivery before.
pub(crate) fn connect(span: &Span, producer: Option<&str>, previous: Option<&str>) {
    if let Some(context) = producer.and_then(read) {
        // Without a tracing backend there is nothing to connect.
        let _unsampled = span.set_parent(context);
    }
    if let Some(context) = previous.and_then(read) {
        span.add_link(span_context(&context));
    }
}

fn read(traceparent: &str) -> Option<Context> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    span_context(&context).is_valid().then_some(context)
}

fn span_context(context: &Context) -> SpanContext {
    context.span().span_context().clone()
}
