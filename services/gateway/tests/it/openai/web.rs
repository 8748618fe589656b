//! gRPC-Web and pages of other origins, at the same port and behind the same edge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use imagioo_proto::generation::v1::{
    CreateGenerationResponse, GenerationState, ListModelsRequest, ListModelsResponse, WatchGenerationRequest,
    WatchGenerationResponse,
};
use prost::Message;
use reqwest::{Method, Response, StatusCode, Version};

use crate::harness::{App, Program, wanted, within};

/// What an SDK in a page goes by.
const HEEDED: [&str; 5] =
    ["x-should-retry", "retry-after", "retry-after-ms", "x-request-id", "x-imagioo-generation"];

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";

/// Calls a method as a browser does.
async fn send(program: &Program, method: &str, kind: &'static str, message: &impl Message) -> Response {
    let mut body = [
        &[0],
        &u32::try_from(message.encoded_len()).expect("short").to_be_bytes()[..],
        &message.encode_to_vec(),
    ]
    .concat();
    if kind == TEXT {
        body = STANDARD.encode(body).into_bytes();
    }
    let call = program.call(Method::POST, method).header("content-type", kind).header("accept", kind);
    let answer = within("an answer", call.body(body).send()).await.expect("answered");
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_11));
    assert_eq!(answer.headers()["content-type"], kind);
    answer
}

/// The next whole frame of an answer: whether it is a message, and what it holds.
fn frame(bytes: &mut BytesMut) -> Option<(bool, Bytes)> {
    let length = bytes.get(1..5)?.try_into().map(u32::from_be_bytes).expect("four bytes") as usize;
    if bytes.len() < 5 + length {
        return None;
    }
    let frame = bytes.split_to(5 + length).freeze();
    Some((frame[0] == 0, frame.slice(5..)))
}

/// Base64 as it comes: pieces that were encoded each by itself.
fn decoded(text: &[u8]) -> BytesMut {
    text.chunks(4).flat_map(|four| STANDARD.decode(four).expect("base64")).collect()
}

/// The message of an answer, and the trailers, which come as another frame.
async fn read<T: Message + Default>(answer: Response) -> (Option<T>, String) {
    let is_text = answer.headers()["content-type"] == TEXT;
    let status = answer
        .headers()
        .get("grpc-status")
        .map(|status| format!("grpc-status:{}", status.to_str().expect("text")));
    let body = within("a body", answer.bytes()).await.expect("readable");
    let mut bytes = if is_text { decoded(&body) } else { BytesMut::from(&body[..]) };
    let (mut found, mut trailers) = (None, status.unwrap_or_default());
    while let Some((is_message, frame)) = frame(&mut bytes) {
        if is_message {
            found = Some(T::decode(frame).expect("a message"));
        } else {
            trailers.push_str(&String::from_utf8_lossy(&frame).replace(": ", ":"));
        }
    }
    assert!(bytes.is_empty(), "half a frame");
    (found, trailers)
}

async fn call<T: Message + Default>(
    program: &Program,
    method: &str,
    message: &impl Message,
) -> (Option<T>, String) {
    read(send(program, method, BINARY, message).await).await
}

#[tokio::test]
async fn a_browser_that_has_texts_only_is_understood() {
    let app = App::start().await;
    let program = app.program(&app.user());
    let models = "/imagioo.generation.v1.ModelService/ListModels";
    let answer = send(&program, models, TEXT, &ListModelsRequest {}).await;
    let (answer, trailers) = read::<ListModelsResponse>(answer).await;
    assert_eq!(answer.expect("a message").models.len(), 4);
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    let answer = send(&program.with("x"), models, TEXT, &ListModelsRequest {}).await;
    assert!(read::<ListModelsResponse>(answer).await.1.contains("grpc-status:16"));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_browser_sees_each_step_of_a_stream_when_it_happens() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    for kind in [BINARY, TEXT] {
        let created = ada.create("a fox").await;
        let watch = WatchGenerationRequest { name: created.name.clone(), after_version: 0 };
        let path = "/imagioo.generation.v1.GenerationService/WatchGeneration";
        let mut answer = send(&program, path, kind, &watch).await;
        let (mut text, mut bytes, mut seen, mut trailers) =
            (BytesMut::new(), BytesMut::new(), None, String::new());
        let mut job = None;
        while let Some(piece) = within("a piece", answer.chunk()).await.expect("readable") {
            if kind == TEXT {
                text.extend_from_slice(&piece);
                let whole = text.len() / 4 * 4;
                bytes.extend_from_slice(&decoded(&text.split_to(whole)));
            } else {
                bytes.extend_from_slice(&piece);
            }
            while let Some((is_message, frame)) = frame(&mut bytes) {
                if is_message {
                    let step = WatchGenerationResponse::decode(frame).expect("a step");
                    seen = step.generation.or(seen);
                } else {
                    trailers.push_str(&String::from_utf8_lossy(&frame).replace(": ", ":"));
                }
            }
            // The worker begins when the first step has been seen, so nothing was held back.
            if seen.is_some() && job.is_none() {
                let begun = worker.job().await;
                begun.deliver_all().await;
                job = Some(begun);
            }
        }
        let last = seen.expect("a generation");
        assert_eq!((last.state(), last.charge), (GenerationState::Succeeded, 5), "{kind}");
        assert!(trailers.contains("grpc-status:0"), "{trailers}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_browser_calls_the_gateway_and_what_is_behind_it() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let models = "/imagioo.generation.v1.ModelService/ListModels";
    let (answer, trailers) = call::<ListModelsResponse>(&program, models, &ListModelsRequest {}).await;
    assert_eq!(answer.expect("a message").models.len(), 4);
    assert!(trailers.contains("grpc-status:0"), "{trailers}");

    let create = "/imagioo.generation.v1.GenerationService/CreateGeneration";
    let (answer, _) = call::<CreateGenerationResponse>(&program, create, &wanted("a fox")).await;
    let created = answer.expect("a message").generation.expect("a generation");
    worker.work_off(1).await;
    assert_eq!(ada.sees_the_end(&created.name).await.charge, 5);

    let me = "/imagioo.account.v1.AccountService/GetMe";
    let (_, trailers) = call::<()>(&program, me, &()).await;
    assert!(trailers.contains("grpc-status:12"), "the scripted account has no such method: {trailers}");
    assert_eq!(app.account.passed_on().len(), 1, "it was passed on");

    let (_, trailers) = call::<ListModelsResponse>(&program.with("x"), models, &ListModelsRequest {}).await;
    assert!(trailers.contains("grpc-status:16"), "{trailers}");
    let (_, trailers) =
        call::<()>(&program, "/imagioo.generation.v1.LeaseService/StartGeneration", &()).await;
    assert!(trailers.contains("grpc-status:12"), "internal methods do not exist: {trailers}");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_server_without_origins_says_nothing_of_them() {
    let app = App::start().await;
    let program = app.program(&app.user());
    let get = program.call(Method::GET, "/v1/models").header("origin", "https://app.example.com");
    let answer = within("an answer", get.send()).await.expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    app.ends_clean().await;
}

#[tokio::test]
async fn only_pages_of_listed_origins_may_call() {
    let app = App::with("http.allowed_origins = [\"https://app.example.com\"]").await;
    let program = app.program(&app.user());
    for (origin, allowed) in [("https://app.example.com", true), ("https://evil.example.com", false)] {
        let ask = program.call(Method::OPTIONS, "/v1/images/generations").header("origin", origin);
        let ask = ask.header("access-control-request-method", "POST");
        let ask = ask.header("access-control-request-headers", "authorization,content-type");
        let preflight = within("an answer", ask.send()).await.expect("answered");
        let get = program.call(Method::GET, "/v1/models").header("origin", origin);
        let answer = within("an answer", get.send()).await.expect("answered");
        for headers in [preflight.headers(), answer.headers()] {
            let told = headers.get("access-control-allow-origin").map(|value| value.to_str().expect("text"));
            assert_eq!(told, allowed.then_some(origin));
            assert!(!headers.contains_key("access-control-allow-credentials"), "no cookies");
        }
        if allowed {
            let headers = preflight.headers()["access-control-allow-headers"].to_str().expect("text");
            assert_eq!(headers, "authorization,content-type");
            let shown = answer.headers()["access-control-expose-headers"].to_str().expect("text");
            for name in HEEDED {
                assert!(shown.split(',').any(|shown| shown == name), "{name} is not among {shown}");
            }
        }
    }
    app.ends_clean().await;
}
