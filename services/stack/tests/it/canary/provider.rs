//! A provider that repeats everything it hears: the worst that a log could be told.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server of the OpenAI Images API; ends with the value.
pub struct Indiscreet {
    pub address: String,
    _server: JoinSet<()>,
}

impl Indiscreet {
    /// Answers the model `echo` with a complaint that quotes the request, and the model `link` with a signed link to
    /// what is no image, in which `signature` is the secret.
    pub async fn start(signature: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let link = format!("{address}/file.png?X-Amz-Signature={signature}");
        let app = axum::Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: String| {
            let asked: Value = serde_json::from_str(&body).unwrap_or_default();
            if asked["model"] == "link" {
                return (StatusCode::OK, Json(json!({ "created": 1, "data": [{ "url": link }] })));
            }
            let message = format!("cannot do {body} at {uri} with {headers:?}");
            (StatusCode::BAD_REQUEST, Json(json!({ "error": { "message": message, "type": "invalid" } })))
        });
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { address, _server: server }
    }
}

/// A catalogue with the models `sketch`, `echo` and `link`.
pub fn catalogue() -> String {
    let models = ["sketch", "echo", "link"].map(|id| {
        let provider = if id == "sketch" { "sketch" } else { "indiscreet" };
        format!(
            r#"
[[models]]
id = "{id}"
title = "{id}"
operations = ["text_to_image"]
sizes = ["256x256"]
qualities = []
formats = ["png"]
max_count = 4
seed = false
prices = [{{ credits = 1 }}]
[[models.deployments]]
id = "{id}"
provider = "{provider}"
provider_model = "{id}"
concurrency = 4
call_timeout_seconds = 20
unknown_outcome = "fail"
"#
        )
    });
    format!("version = \"canary\"\n[own_keys]\nindiscreet = {{ credits = 1 }}\n{}", models.concat())
}

/// What a worker must know to ask it.
pub fn worker(address: &str, api_key: &str) -> toml::Table {
    let text = format!(
        r#"
deployments = [
    {{ id = "sketch", concurrency = 4 }},
    {{ id = "echo", concurrency = 4 }},
    {{ id = "link", concurrency = 4 }},
]
[providers.indiscreet]
kind = "openai"
base_url = "{address}/v1"
api_key = "{api_key}"
paid = false
"#
    );
    text.parse().expect("TOML")
}
