//! The trace of one command, sent to the collector that `IMAGIOO_OTLP_ENDPOINT` names; nothing without it.

use imagioo_runtime::telemetry;
use tracing::Instrument as _;

use crate::environment;
use crate::failure::Failure;

/// Runs a command as the beginning of a trace, and sends what was recorded before it ends.
pub(crate) async fn traced<T>(
    name: &'static str,
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(endpoint) = environment::otlp_endpoint() else { return command.await };
    let exporting = telemetry::export_spans("imagioo", &endpoint).map_err(|_unusable| {
        let message = format!("spans cannot be sent to `{endpoint}`");
        Failure::usage(message, "set IMAGIOO_OTLP_ENDPOINT to an address such as http://127.0.0.1:4317")
    })?;
    let outcome =
        command.instrument(tracing::info_span!("command", otel.name = format!("imagioo {name}"))).await;
    // The export runs on this thread's runtime and would wait for itself. What is lost is only told to the collector.
    drop(tokio::task::spawn_blocking(|| exporting.flush()).await);
    outcome
}
