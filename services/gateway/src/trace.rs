//! The trace of a generation: that of the call which created it, also for whoever goes on with it much later.

use imagioo_runtime::telemetry::trace;
use tracing::Span;

/// A span for work on a generation that neither a call nor a message started, within the generation's trace.
pub(crate) fn go_on(what: &'static str, stored: Option<&str>) -> Span {
    let span = tracing::info_span!("go on", otel.name = what);
    if let Some(stored) = stored {
        trace::continue_from(&span, stored);
    }
    span
}
