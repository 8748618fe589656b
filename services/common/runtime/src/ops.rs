//! The operators' port: `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::Shutdown;
use crate::telemetry::metrics;

/// Where the operators' port listens.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsConfig {
    /// Address and port; never reachable from outside the cluster.
    pub listen: SocketAddr,
}

/// What a process waits for that has no condition yet.
const UNSAID: &str = "start";

/// What must be true before this process takes work. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Gates>);

#[derive(Debug, Default)]
struct Gates {
    open: Mutex<BTreeMap<&'static str, bool>>,
    changed: Notify,
}

/// One named condition of the readiness, closed at first.
#[derive(Debug, Clone)]
pub struct Gate {
    gates: Arc<Gates>,
    name: &'static str,
}

impl Readiness {
    /// Without any condition. A process that has not said yet what it needs is not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A condition of this name. The same name gives the same condition.
    pub fn gate(&self, name: &'static str) -> Gate {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default();
        Gate { gates: Arc::clone(&self.0), name }
    }

    /// The conditions that do not hold, by name.
    #[must_use]
    pub fn closed(&self) -> Vec<&'static str> {
        let gates = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.is_empty() {
            return vec![UNSAID];
        }
        gates.iter().filter(|(_, open)| !**open).map(|(name, _)| *name).collect()
    }

    /// Waits until every condition holds that exists then.
    pub async fn opened(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.closed().is_empty() {
                return;
            }
            changed.await;
        }
    }
}

impl Gate {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Says whether the condition holds.
    pub fn set(&self, holds: bool) {
        self.gates.open.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, holds);
        self.gates.changed.notify_waiters();
    }
}

/// Answers operators until the process has drained; returns as soon as a stop is asked for.
///
/// The port stays open meanwhile, so that the drain can be watched, and `/readyz` refuses.
pub async fn serve(listener: TcpListener, readiness: Readiness, shutdown: Shutdown) {
    let app = router(readiness, shutdown.clone());
    shutdown.attend("ops", async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(error = &error as &dyn std::error::Error, "ops port failed");
        }
    });
    shutdown.requested().await;
}

fn router(readiness: Readiness, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/healthz", get(StatusCode::OK))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state((readiness, shutdown))
}

async fn ready(State((readiness, shutdown)): State<(Readiness, Shutdown)>) -> impl IntoResponse {
    let mut waiting = readiness.closed();
    if shutdown.is_requested() {
        waiting.push("shutdown");
    }
    let status = if waiting.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": waiting.is_empty(), "waiting": waiting })))
}

async fn render() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Port {
        address: SocketAddr,
        client: reqwest::Client,
    }

    impl Port {
        async fn open(readiness: &Readiness, shutdown: &Shutdown) -> Self {
            crate::crypto::install();
            let listener = crate::net::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            shutdown.spawn("ops", serve(listener, readiness.clone(), shutdown.clone()));
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            Self { address, client }
        }

        async fn get(&self, path: &str) -> (u16, String) {
            let url = format!("http://{}{path}", self.address);
            let answer = self.client.get(url).send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a body"))
        }
    }

    #[tokio::test]
    async fn a_process_is_ready_when_every_gate_is_open_and_not_after_a_stop_was_asked_for() {
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new(Duration::from_secs(3600)));
        let (database, queue) = (readiness.gate("database"), readiness.gate("queue"));
        let port = Port::open(&readiness, &shutdown).await;
        database.set(true);
        let (status, body) = port.get("/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("queue") && !body.contains("database"), "{body}");
        queue.set(true);
        assert_eq!(port.get("/readyz").await.0, 200);
        shutdown.request();
        shutdown.drained().await;
        assert_eq!(port.get("/readyz").await.0, 503);
        assert_eq!(port.get("/healthz").await.0, 200);
    }

    #[tokio::test]
    async fn a_process_that_has_not_begun_is_not_ready() {
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new(Duration::from_secs(3600)));
        let port = Port::open(&readiness, &shutdown).await;
        assert_eq!(port.get("/readyz").await.0, 503);
        readiness.gate("database").set(true);
        assert_eq!(port.get("/readyz").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_are_rendered_for_prometheus() {
        metrics::install();
        ::metrics::counter!("ops_test_total").increment(3);
        let shutdown = Shutdown::new(Duration::from_secs(3600));
        let port = Port::open(&Readiness::new(), &shutdown).await;
        let (status, body) = port.get("/metrics").await;
        assert_eq!(status, 200);
        assert!(body.contains("ops_test_total 3"), "{body}");
    }
}
