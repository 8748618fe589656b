//! OpenAI's HTTP API as a door over durable generations: every call creates one, follows it to its end and shows what
//! was stored. Whoever hangs up finds it in the history.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use imagioo_rpc::AccessVerifier;
use imagioo_runtime::Shutdown;
use tracing::Instrument as _;

use crate::app::App;

mod answer;
mod arrival;
mod base64;
mod body;
mod call;
mod follow;
mod form;
mod images;
mod json;
mod models;
mod parameters;
mod refusal;
mod request_id;
mod room;
mod stream;

pub(crate) use arrival::Arrival;
pub(crate) use refusal::Refusal;
pub(crate) use request_id::RequestId;

/// What the door works with. Clones share it.
#[derive(Clone)]
pub(crate) struct Door {
    app: App,
    verifier: AccessVerifier,
    shutdown: Shutdown,
    room: room::Room,
}

impl Door {
    pub(crate) fn new(app: App, verifier: AccessVerifier, shutdown: Shutdown) -> Self {
        Self { app, verifier, shutdown, room: room::Room::default() }
    }
}

const GENERATIONS: &str = "/v1/images/generations";
const EDITS: &str = "/v1/images/edits";
const VARIATIONS: &str = "/v1/images/variations";
const MODELS: &str = "/v1/models";

/// What the paths of this door begin with.
pub(crate) const PATHS: &[&str] = &[GENERATIONS, EDITS, VARIATIONS, MODELS];

/// Whether a path is served here.
pub(crate) fn serves(path: &str) -> bool {
    let model = path.strip_prefix(MODELS).and_then(|rest| rest.strip_prefix('/'));
    PATHS.contains(&path) || model.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// The routes. The edge has identified the caller of everything that arrives here.
pub(crate) fn router(door: Door) -> Router {
    Router::new()
        .route(GENERATIONS, post(images::generations).fallback(refusal::wrong_method))
        .route(EDITS, post(images::edits).fallback(refusal::wrong_method))
        .route(VARIATIONS, post(images::variations).fallback(refusal::wrong_method))
        .route(MODELS, get(models::list).fallback(refusal::wrong_method))
        .route("/v1/models/{id}", get(models::get).fallback(refusal::wrong_method))
        .layer(middleware::from_fn(named))
        .with_state(door)
}

/// Marks the answer and everything that is logged meanwhile with the request's id.
async fn named(mut request: Request, next: Next) -> Response {
    let id = request.extensions_mut().remove::<RequestId>().unwrap_or_else(RequestId::generate);
    let span = tracing::info_span!("http", request_id = id.as_str());
    id.mark(next.run(request).instrument(span).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_paths_of_the_door_are_served() {
        for path in [GENERATIONS, EDITS, VARIATIONS, MODELS, "/v1/models/sketch"] {
            assert!(serves(path), "{path}");
        }
        for path in
            ["/v1", "/v1/", "/v1/images", "/v1/images/edits/x", "/v1/models/", "/v1/models/a/b", "/v1/chat"]
        {
            assert!(!serves(path), "{path}");
        }
    }
}
