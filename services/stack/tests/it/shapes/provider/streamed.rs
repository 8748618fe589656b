//! OpenAI's images as a stream of events: two drafts, then the image.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use super::{Desk, Moment, picture};

pub async fn generate(State(desk): State<Desk>, Json(asked): Json<Value>) -> Response {
    let Some(prompt) = asked["prompt"].as_str().map(str::to_owned).filter(|_| asked["stream"] == true) else {
        let error = json!({ "message": "no stream", "type": "invalid_request_error", "param": "stream", "code": null });
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    };
    desk.pass(&prompt, Moment::Asked).await;
    let events = stream::iter([draft(0), draft(1), completed()]).enumerate().then(move |(number, event)| {
        let (desk, prompt) = (desk.clone(), prompt.clone());
        async move {
            // Between the first draft and the second one.
            if number == 1 {
                desk.pass(&prompt, Moment::Drafted).await;
            }
            Ok::<_, std::convert::Infallible>(Bytes::from(event))
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

fn draft(index: u32) -> String {
    let kind = "image_generation.partial_image";
    event(
        kind,
        &json!({ "type": kind, "b64_json": STANDARD.encode(picture()), "partial_image_index": index }),
    )
}

fn completed() -> String {
    let kind = "image_generation.completed";
    let usage = json!({ "input_tokens": 10, "output_tokens": 272, "total_tokens": 282 });
    event(kind, &json!({ "type": kind, "b64_json": STANDARD.encode(picture()), "usage": usage }))
}

fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}
