//! One trace from producer to consumer. A program of its own: a span that is first met on a thread which
//! records nothing may stay unrecorded on the others.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::time::Duration;

use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Deliveries, Message, Queue, Subscription, topology::GENERATION_SETTLED};
use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::time::timeout;
use tracing::{Instrument as _, info_span, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

const PUBLISH: &str = "imagioo.jobs.v1.GenerationSettled publish";

/// Collects the spans of this thread.
fn record() -> (InMemorySpanExporter, DefaultGuard) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    (exporter, guard)
}

fn settled() -> Message {
    Message::of(&GenerationSettled::default())
}

/// Publishes and leaves before the confirm; subscribes to what was published.
async fn publish(message: Message) -> Deliveries {
    let queue = Queue::in_process();
    assert!(timeout(Duration::from_secs(1), queue.publish(message)).await.is_err());
    queue.consume(Subscription::queue(GENERATION_SETTLED, 1)).await.unwrap()
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_its_producers_child_and_a_redelivery_links_to_the_delivery_before() {
    let (exporter, _guard) = record();
    let message = info_span!("submit").in_scope(settled);
    assert!(message.trace.is_some());
    let mut deliveries = publish(message).await;
    let first = deliveries.next().await.unwrap();
    async {}.instrument(first.span()).await;
    drop(first);
    let second = deliveries.next().await.unwrap();
    async {}.instrument(second.span()).await;
    second.ack().await;

    let spans = exporter.get_finished_spans().unwrap();
    let (cause, producer) = (named(&spans, "submit")[0], named(&spans, PUBLISH)[0]);
    assert_eq!(producer.parent_span_id, cause.span_context.span_id());
    let consumers = named(&spans, "billing.generation-settled process");
    assert_eq!(consumers.len(), 2);
    for consumer in &consumers {
        assert_eq!(consumer.span_context.trace_id(), producer.span_context.trace_id());
        assert_eq!(consumer.parent_span_id, producer.span_context.span_id());
    }
    assert_eq!(consumers[0].links.len(), 0);
    let linked: Vec<SpanId> = consumers[1].links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(linked, [consumers[0].span_context.span_id()]);
}

#[tokio::test(start_paused = true)]
async fn a_message_made_outside_a_trace_begins_one_when_it_is_published() {
    let message = settled();
    assert_eq!(message.trace, None);
    let (exporter, _guard) = record();
    publish(message).await.next().await.unwrap().ack().await;
    let spans = exporter.get_finished_spans().unwrap();
    let consumer = named(&spans, "billing.generation-settled process")[0];
    let producer = named(&spans, PUBLISH)[0];
    assert_eq!(producer.parent_span_id, SpanId::INVALID);
    assert_eq!(consumer.parent_span_id, producer.span_context.span_id());
}
