//! gRPC-Web and pages of other origins, at the same port and behind the same edge.

use bytes::Bytes;
use imagioo_proto::generation::v1::{CreateGenerationResponse, ListModelsRequest, ListModelsResponse};
use prost::Message;
use reqwest::{Method, StatusCode, Version};

use crate::harness::{App, Program, wanted, within};

/// Calls a method as a browser does; the message, and the trailers, which come as another frame.
async fn call<T: Message + Default>(
    program: &Program,
    method: &str,
    message: &impl Message,
) -> (Option<T>, String) {
    let body = [
        &[0],
        &u32::try_from(message.encoded_len()).expect("short").to_be_bytes()[..],
        &message.encode_to_vec(),
    ]
    .concat();
    let call =
        program.call(Method::POST, method).header("content-type", "application/grpc-web+proto").body(body);
    let answer = within("an answer", call.send()).await.expect("answered");
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_11));
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    let status = answer
        .headers()
        .get("grpc-status")
        .map(|status| format!("grpc-status:{}", status.to_str().expect("text")));
    let mut frames = answer.bytes().await.expect("a body");
    let (mut found, mut trailers) = (None, status.unwrap_or_default());
    while !frames.is_empty() {
        let (head, length) =
            (frames[0], u32::from_be_bytes(frames[1..5].try_into().expect("four bytes")) as usize);
        let frame: Bytes = frames.slice(5..5 + length);
        frames = frames.slice(5 + length..);
        if head == 0 {
            found = Some(T::decode(frame).expect("a message"));
        } else {
            trailers.push_str(&String::from_utf8_lossy(&frame).replace(": ", ":"));
        }
    }
    (found, trailers)
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
        }
    }
    app.ends_clean().await;
}
