//! fal's queue: a call is accepted at once, asked after at the addresses it was given, and fetched when it is done.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, Moment, Task};

type Answer = (StatusCode, Json<Value>);
/// Owner, app and id; the rest of the path a call was sent to is not among them.
type Request = Path<(String, String, String)>;

pub async fn submit(
    State(desk): State<Desk>,
    Path((owner, app, _)): Request,
    headers: HeaderMap,
    Json(input): Json<Value>,
) -> Answer {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(prompt) = input["prompt"].as_str().filter(|_| key.starts_with("Key ")) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Cannot access application" })));
    };
    desk.pass(prompt, Moment::Asked).await;
    let id = Uuid::now_v7().to_string();
    let task = Task { prompt: prompt.to_owned(), count: input["num_images"].as_u64().unwrap_or(1) };
    desk.tasks.lock().expect("no panic").insert(id.clone(), task);
    let request = format!("{}/fal/{owner}/{app}/requests/{id}", desk.address);
    let accepted = json!({
        "status": "IN_QUEUE",
        "request_id": id,
        "response_url": request,
        "status_url": format!("{request}/status"),
        "cancel_url": format!("{request}/cancel"),
        "queue_position": 0,
    });
    (StatusCode::OK, Json(accepted))
}

pub async fn status(State(desk): State<Desk>, Path((_, _, id)): Request) -> Answer {
    let Some(task) = desk.task(&id) else { return nobody() };
    desk.pass(&task.prompt, Moment::Polled).await;
    match desk.polls(&task.prompt) {
        1 => (StatusCode::ACCEPTED, Json(json!({ "status": "IN_QUEUE", "queue_position": 0 }))),
        2 => (StatusCode::ACCEPTED, Json(json!({ "status": "IN_PROGRESS", "logs": null }))),
        _ => {
            let done = json!({ "status": "COMPLETED", "logs": null, "metrics": { "inference_time": 1.5 } });
            (StatusCode::OK, Json(done))
        }
    }
}

pub async fn result(State(desk): State<Desk>, Path((_, _, id)): Request) -> Answer {
    let Some(task) = desk.task(&id) else { return nobody() };
    let url = format!("{}/files/image.png", desk.address);
    let image = json!({ "url": url, "width": 64, "height": 64, "content_type": "image/png" });
    let count = usize::try_from(task.count).expect("few");
    let result = json!({
        "images": vec![image; count],
        "seed": 7,
        "has_nsfw_concepts": vec![false; count],
        "prompt": task.prompt,
        "timings": { "inference": 1.5 },
    });
    (StatusCode::OK, Json(result))
}

pub async fn cancel(State(desk): State<Desk>, Path((_, _, id)): Request) -> Answer {
    match desk.task(&id) {
        Some(_) => (StatusCode::ACCEPTED, Json(json!({ "status": "CANCELLATION_REQUESTED" }))),
        None => (StatusCode::NOT_FOUND, Json(json!({ "status": "NOT_FOUND" }))),
    }
}

fn nobody() -> Answer {
    (StatusCode::NOT_FOUND, Json(json!({ "detail": "Request not found" })))
}
