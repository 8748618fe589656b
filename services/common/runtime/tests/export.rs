//! The spans of a command that a person runs. A program of its own: the receiver of spans is one for the process.

use std::sync::{Arc, Mutex};

use imagioo_runtime::telemetry::export_spans;
use tracing::Instrument as _;

#[tokio::test]
async fn everything_recorded_has_reached_the_collector_when_the_command_ends() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let collector = axum::Router::new().fallback({
        let received = Arc::clone(&received);
        async move |body: axum::body::Bytes| {
            received.lock().expect("unpoisoned").extend_from_slice(&body);
            // An empty message, uncompressed.
            ([("content-type", "application/grpc"), ("grpc-status", "0")], [0_u8; 5])
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, collector).await.expect("serves") });
    let guard = export_spans("command", &endpoint).expect("an address");
    async {}.instrument(tracing::info_span!("command", otel.name = "imagioo canary")).await;
    tokio::task::spawn_blocking(|| guard.flush()).await.expect("flushes");
    let received = String::from_utf8_lossy(&received.lock().expect("unpoisoned")).into_owned();
    assert!(received.contains("imagioo canary"), "{received:?}");
}
