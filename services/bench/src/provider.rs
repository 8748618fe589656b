//! The fake provider: it answers `POST /v1/images/generations` of the OpenAI Images API, with the image in base64 or
//! behind a link, at once or as late as a run wants.
//!
//! It shares nothing with the worker's adapter, so that a mistake there is not repeated here.

mod picture;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::plan::{Plan, Shape};
use picture::Picture;

/// A running provider. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    studio: Arc<Studio>,
    /// Nothing while calls are kept waiting.
    latency: watch::Sender<Option<Duration>>,
    _server: JoinSet<std::io::Result<()>>,
}

#[derive(Debug)]
struct Studio {
    address: SocketAddr,
    shape: Shape,
    picture: Picture,
    arrived: AtomicU64,
    latency: watch::Receiver<Option<Duration>>,
}

impl Provider {
    /// Listens on a free port; each image is a PNG of about as many bytes as planned, and no two are equal.
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (latency, receiver) = watch::channel(Some(Duration::ZERO));
        let studio = Arc::new(Studio {
            address: listener.local_addr()?,
            shape: plan.shape,
            picture: Picture::of_noise(plan.image_bytes)?,
            arrived: AtomicU64::new(0),
            latency: receiver,
        });
        let app = Router::new()
            .route("/v1/images/generations", post(generate))
            .route("/files/{number}", get(download))
            .with_state(Arc::clone(&studio));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { studio, latency, _server: server })
    }

    /// Where the API begins.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.studio.address)
    }

    /// Answers each call so long after its arrival, those that wait already too.
    pub(crate) fn answer_after(&self, latency: Duration) {
        self.latency.send_replace(Some(latency));
    }

    /// Answers nobody until [`Self::answer_after`].
    pub(crate) fn keep_waiting(&self) {
        self.latency.send_replace(None);
    }

    /// Calls that have arrived so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.studio.arrived.load(Ordering::Relaxed)
    }
}

impl Studio {
    async fn wait(&self, arrival: Instant) {
        let mut latency = self.latency.clone();
        // The provider is gone when nobody can send any more; its server is then, too.
        let known = latency.wait_for(Option::is_some).await.ok().and_then(|latency| *latency);
        if let Some(latency) = known.filter(|latency| !latency.is_zero()) {
            sleep_until(arrival + latency).await;
        }
    }
}

async fn generate(State(studio): State<Arc<Studio>>) -> impl IntoResponse {
    let arrival = Instant::now();
    let number = studio.arrived.fetch_add(1, Ordering::Relaxed);
    studio.wait(arrival).await;
    let answer = match studio.shape {
        Shape::Base64 => {
            let copy = studio.picture.base64(number);
            [r#"{"created":0,"data":[{"b64_json":""#, &copy[0], &copy[1], r#""}]}"#].concat()
        }
        Shape::Url => {
            format!(r#"{{"created":0,"data":[{{"url":"http://{}/files/{number}"}}]}}"#, studio.address)
        }
    };
    ([(CONTENT_TYPE, "application/json")], answer)
}

async fn download(State(studio): State<Arc<Studio>>, Path(number): Path<u64>) -> impl IntoResponse {
    match studio.picture.bytes(number) {
        Ok(bytes) => ([(CONTENT_TYPE, "image/png")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
