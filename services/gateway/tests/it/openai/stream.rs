//! Streams: partial images from the worker's previews, then the images, as events of OpenAI.

use futures::StreamExt as _;
use imagioo_proto::generation::v1::GenerationState;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, text_of, tiny, under_way};
use crate::harness::{App, Program, answer, failed, form, within};

/// Names of events in order.
fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// The first line of a stream that has one; the rest of it is not read.
async fn first_event(program: &Program, body: Value) -> (reqwest::Response, String) {
    let call = program.call(Method::POST, "/v1/images/generations").json(&body);
    let mut response = within("an answer", call.send()).await.expect("answered");
    let piece = within("a piece", response.chunk()).await.expect("readable").expect("a piece");
    (response, String::from_utf8_lossy(&piece).into_owned())
}

#[tokio::test]
async fn partial_images_come_as_they_are_drawn_and_the_image_when_it_is_stored() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let body = json!({ "prompt": "a fox", "stream": true, "partial_images": 2 });
    let call = program.call(Method::POST, "/v1/images/generations").json(&body);
    let asked = under_way(call.send());
    let job = worker.job().await;
    assert_eq!(job.job.settings.as_ref().and_then(|settings| settings.previews), Some(2));
    // The answer begins when the generation is accepted, so previews from now on are seen.
    let response = within("an answer", asked).await.expect("asked").expect("answered");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(response.headers().contains_key("x-request-id"));
    for (percent, preview) in [(25, b"coarse".as_slice()), (50, b"finer"), (75, b"finest")] {
        job.progress(percent, Some(preview)).await;
    }
    let mut pieces = response.bytes_stream();
    let mut text = String::new();
    while text.matches("partial_image_index").count() < 2 {
        let piece = within("a partial image", pieces.next()).await.expect("more").expect("readable");
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    job.deliver_all().await;
    while let Some(piece) = within("the end", pieces.next()).await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("readable")));
    }
    let events: Vec<(String, Value)> = text
        .split("\n\n")
        .filter_map(|block| block.strip_prefix("event: ")?.split_once("\ndata: "))
        .map(|(name, data)| (name.to_owned(), serde_json::from_str(data).expect("JSON")))
        .collect();
    let partial = "image_generation.partial_image";
    assert_eq!(names(&events), [partial, partial, "image_generation.completed"]);
    for (place, picture) in ["coarse", "finer"].into_iter().enumerate() {
        let data = &events[place].1;
        assert_eq!(
            (text_of(&data["b64_json"]).as_str(), &data["partial_image_index"]),
            (picture, &json!(place))
        );
        for (field, value) in [
            ("type", partial),
            ("size", "1024x1024"),
            ("quality", "auto"),
            ("background", "auto"),
            ("output_format", "png"),
        ] {
            assert_eq!(data[field], value, "{field}");
        }
        assert!(data["created_at"].is_i64());
    }
    let done = &events[2].1;
    assert_eq!(text_of(&done["b64_json"]), format!("image {}", job.key(0)));
    assert_eq!((&done["type"], &done["usage"]["credits"]), (&json!("image_generation.completed"), &json!(5)));
    app.ends_clean().await;
}

#[tokio::test]
async fn without_a_wish_for_partial_images_only_the_images_come_each_by_itself() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask(&app.program(&ada), json!({ "prompt": "a fox", "stream": true, "n": 2 }));
    let job = worker.job().await;
    assert_eq!(job.job.settings.as_ref().and_then(|settings| settings.previews), Some(0));
    job.progress(50, Some(b"coarse")).await;
    job.deliver_all().await;
    let answer = asked.await.expect("answered");
    let events = answer.events();
    assert_eq!(names(&events), ["image_generation.completed"; 2]);
    let shown: Vec<_> = events.iter().map(|(_, data)| text_of(&data["b64_json"])).collect();
    assert_eq!(shown, [0, 1].map(|index| format!("image {}", job.key(index))));
    assert_eq!(answer.generation(), job.job.generation);
    app.ends_clean().await;
}

#[tokio::test]
async fn the_stream_of_an_edit_has_names_of_its_own() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let picture = ada.upload(&tiny()).await.expect("kept").name;
    let program = app.program(&ada);
    let call =
        form(&[("prompt", "at night"), ("stream", "true"), ("partial_images", "1")], &[("image", &tiny())]);
    let call = program.call(Method::POST, "/v1/images/edits").multipart(call);
    let asked = under_way(answer(call));
    let job = worker.job().await;
    assert_eq!(job.job.inputs.len(), 1, "of {picture}");
    job.deliver_all().await;
    assert_eq!(names(&asked.await.expect("answered").events()), ["image_edit.completed"]);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_failure_within_a_stream_is_its_last_event_and_one_before_it_is_no_stream() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let asked = ask(&program, json!({ "prompt": "a fox", "stream": true }));
    worker.job().await.report(failed("PROVIDER_UNAVAILABLE")).await;
    let events = asked.await.expect("answered").events();
    assert_eq!(names(&events), ["error"]);
    let (kind, error) = (&events[0].1["type"], &events[0].1["error"]);
    assert_eq!((kind, &error["code"]), (&json!("error"), &json!("provider_unavailable")));
    let refused = program.draw(json!({ "prompt": "a fox", "stream": true, "n": 9 })).await;
    assert_eq!(refused.error().0, 400);
    app.ends_clean().await;
}

#[tokio::test]
async fn who_leaves_a_stream_finds_the_image_in_the_history() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let body = json!({ "prompt": "a fox", "stream": true, "partial_images": 1 });
    let seen = under_way(async move { first_event(&program, body).await });
    let job = worker.job().await;
    // The stream may begin a moment after the worker does: it is told until it has been seen.
    let seen = async {
        let mut seen = seen;
        loop {
            job.progress(50, Some(b"coarse")).await;
            let wait = std::time::Duration::from_millis(20);
            if let Ok(seen) = tokio::time::timeout(wait, &mut seen).await {
                return seen.expect("seen");
            }
        }
    };
    let (response, event) = within("a partial image", seen).await;
    assert!(event.starts_with("event: image_generation.partial_image"), "{event}");
    drop(response);
    job.deliver_all().await;
    let kept = ada.sees_the_end(&job.job.generation).await;
    assert_eq!((kept.state(), kept.charge), (GenerationState::Succeeded, 5));
    app.ends_clean().await;
}
