//! Logs, traces and metrics of the process, set up once and flushed at the end.

pub mod metrics;
pub mod trace;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What a process says about itself: the section `[telemetry]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives such as `info,imagioo_gateway=debug`.
    pub log: String,
    /// How a log line looks.
    pub format: LogFormat,
    /// The OTLP/gRPC collector that receives spans, such as `http://otel-collector:4317`; empty for none.
    pub otlp_endpoint: String,
    /// The share of traces that are recorded when the caller has not decided, between 0 and 1.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: String::from("info,lapin=error"),
            format: LogFormat::Text,
            otlp_endpoint: String::new(),
            sample_ratio: 0.1,
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// Telemetry that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is malformed.
    #[error("telemetry.log is not a level or a list of directives such as `info,imagioo_gateway=debug`")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The sampling share is no share.
    #[error("telemetry.sample_ratio is {0}, it must be between 0 and 1")]
    Ratio(f64),
    /// The collector's address cannot be used.
    #[error("telemetry.otlp_endpoint cannot be used: give an address such as http://otel-collector:4317")]
    Endpoint(#[source] opentelemetry_otlp::ExporterBuildError),
    /// Something else in this process already receives the logs.
    #[error("the process already has another subscriber for its logs")]
    Taken(#[source] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry alive; flushes what is pending when it is dropped.
#[derive(Debug)]
#[must_use = "dropping the guard ends the export of spans"]
pub struct Guard(Option<SdkTracerProvider>);

impl Guard {
    /// Sends what is pending and ends the export. Blocks; call it outside asynchronous code while the runtime
    /// runs.
    pub fn flush(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "pending spans were lost");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sets up logs, spans, metrics and the panic log of the process, inside a tokio runtime. The first call
/// decides; a later one is answered with a guard that guards nothing, so that services sharing a process may
/// all call it.
///
/// # Errors
/// [`TelemetryError`] names the option that cannot be used.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Guard, TelemetryError> {
    static DONE: OnceLock<()> = OnceLock::new();
    let filter = EnvFilter::try_new(&config.log).map_err(TelemetryError::Filter)?;
    let provider = trace::provider(service, config)?;
    if DONE.set(()).is_err() {
        return Ok(Guard(None));
    }
    metrics::install();
    trace::propagate();
    tracing_subscriber::registry()
        .with(trace::layer(&provider))
        .with(lines(config.format).with_filter(asked_anew(filter)))
        .try_init()
        .map_err(TelemetryError::Taken)?;
    // A failing test of this crate shows its own message.
    if cfg!(not(test)) {
        log_panics();
    }
    Ok(Guard(Some(provider)))
}

/// Sends spans to the collector at `endpoint`, all of them, and sets up nothing else: for a command that a person runs,
/// inside a tokio runtime.
///
/// # Errors
/// [`TelemetryError`] when the endpoint cannot be used.
pub fn export_spans(service: &'static str, endpoint: &str) -> Result<Guard, TelemetryError> {
    let (otlp_endpoint, sample_ratio) = (endpoint.to_owned(), 1.0);
    let config = TelemetryConfig { otlp_endpoint, sample_ratio, ..TelemetryConfig::default() };
    let provider = trace::provider(service, &config)?;
    tracing_subscriber::registry().with(trace::layer(&provider)).try_init().map_err(TelemetryError::Taken)?;
    Ok(Guard(Some(provider)))
}

/// Asks the filter about every event. An answer that is remembered by place would meet what a library's mere question
/// (`tracing::enabled!`, which sqlx asks before each statement) has left behind, and the next event would be lost.
fn asked_anew<S>(filter: EnvFilter) -> impl Filter<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let most = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    dynamic_filter_fn(move |event, context| filter.enabled(event, context.clone())).with_max_level_hint(most)
}

/// Log lines on standard error. Both formats escape control characters.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Says where a panic happened. Its message stays out of the log: it may show a user's data.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn config() -> TelemetryConfig {
        TelemetryConfig::default()
    }

    #[tokio::test]
    async fn an_unusable_option_is_named() {
        let error = |config: TelemetryConfig| init("test", &config).err().map(|error| error.to_string());
        let filter = error(TelemetryConfig { log: String::from("imagioo=loud"), ..config() });
        assert!(filter.is_some_and(|text| text.contains("telemetry.log")));
        let ratio = error(TelemetryConfig { sample_ratio: 1.5, ..config() });
        assert!(ratio.is_some_and(|text| text.contains("sample_ratio is 1.5")));
        let endpoint = error(TelemetryConfig { otlp_endpoint: String::from("no address"), ..config() });
        assert!(endpoint.is_some_and(|text| text.contains("otlp_endpoint")));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pending_spans_reach_the_collector_when_the_guard_is_flushed() {
        let received = Arc::new(Mutex::new(Vec::new()));
        let collector = axum::Router::new().fallback({
            let received = received.clone();
            async move |body: axum::body::Bytes| {
                received.lock().expect("unpoisoned").extend_from_slice(&body);
                // An empty message, uncompressed.
                ([("content-type", "application/grpc"), ("grpc-status", "0")], [0_u8; 5])
            }
        });
        let listener = crate::net::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let otlp_endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let shutdown = crate::Shutdown::new(std::time::Duration::from_secs(3600));
        shutdown.attend("collector", async move { axum::serve(listener, collector).await.expect("serves") });
        let config = TelemetryConfig { otlp_endpoint, sample_ratio: 1.0, ..config() };
        let provider = trace::provider("test", &config).expect("a provider");
        let subscriber = tracing_subscriber::registry().with(trace::layer(&provider));
        tracing::subscriber::with_default(subscriber, || tracing::info_span!("canary_span").in_scope(|| ()));
        tokio::task::spawn_blocking(|| Guard(Some(provider)).flush()).await.expect("flushes");
        let received = String::from_utf8_lossy(&received.lock().expect("unpoisoned")).into_owned();
        assert!(received.contains("canary_span"), "{received:?}");
    }

    #[tokio::test]
    async fn services_in_one_process_share_the_first_set_up() {
        let first = init("one", &config()).expect("valid telemetry");
        let second = init("two", &config()).expect("valid telemetry");
        assert!(second.0.is_none());
        drop(first);
    }
}
