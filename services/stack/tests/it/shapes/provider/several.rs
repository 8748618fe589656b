//! Stability: a form for each image, answered by the image.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Desk, Moment, picture};

pub async fn generate(
    State(desk): State<Desk>,
    headers: HeaderMap,
    form: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let form = String::from_utf8_lossy(&form).into_owned();
    let Some(prompt) = field(&form, "prompt").filter(|_| kind.starts_with("multipart/form-data")) else {
        let errors = json!({ "id": "0", "name": "bad_request", "errors": ["prompt: cannot be blank"] });
        return (StatusCode::BAD_REQUEST, Json(errors));
    };
    desk.pass(prompt, Moment::Asked).await;
    let image = STANDARD.encode(picture());
    (StatusCode::OK, Json(json!({ "image": image, "finish_reason": "SUCCESS", "seed": 7 })))
}

/// The value of a text field of a form.
fn field<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    let (_, part) = form.split_once(&format!("name=\"{name}\""))?;
    let (_, value) = part.split_once("\r\n\r\n")?;
    Some(value.split_once("\r\n--")?.0)
}
