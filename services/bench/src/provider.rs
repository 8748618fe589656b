//! The fake provider: it answers `POST /v1/images/generations` of the OpenAI Images API at once, with an image in base64.
//!
//! It shares nothing with the worker's adapter, so that a mistake there is not repeated here.

mod picture;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use picture::Picture;

/// A running provider. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    address: SocketAddr,
    _server: JoinSet<std::io::Result<()>>,
}

#[derive(Debug)]
struct Studio {
    picture: Picture,
    made: AtomicU64,
}

impl Provider {
    /// Listens on a free port; each image is a PNG of about this many bytes, and no two are equal.
    pub(crate) async fn start(image_bytes: usize) -> anyhow::Result<Self> {
        let studio = Arc::new(Studio { picture: Picture::of_noise(image_bytes)?, made: AtomicU64::new(0) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = Router::new().route("/v1/images/generations", post(generate)).with_state(studio);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, _server: server })
    }

    /// Where the API begins.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

async fn generate(State(studio): State<Arc<Studio>>) -> impl IntoResponse {
    let copy = studio.picture.base64(studio.made.fetch_add(1, Ordering::Relaxed));
    let answer = [r#"{"created":0,"data":[{"b64_json":""#, &copy[0], &copy[1], r#""}]}"#].concat();
    ([(CONTENT_TYPE, "application/json")], answer)
}
