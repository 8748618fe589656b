//! `POST /v1/images/generations` and `GET /v1/models`: parameters in, stored images out.

use imagioo_proto::generation::v1::{Background, GenerationState, ImageFormat};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_storage::{S3Config, Storage};
use imagioo_testkit::s3::{ACCESS_KEY_ID, BUCKET, REGION, S3Server, SECRET_ACCESS_KEY};
use serde_json::json;

use super::{ask, ask_for, files};
use crate::harness::{App, Setup, failed};

#[tokio::test]
async fn a_drawing_is_stored_charged_shown_and_in_the_history() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let (_, secret) = app.account.create_key(ada.id);
    let program = app.program(&ada).with(&secret);
    let asked = ask(&program, json!({ "model": "sketch", "prompt": "a fox", "n": 2, "user": "u-1" }));
    let job = worker.job().await;
    job.deliver_all().await;
    let answer = asked.await.expect("answered");
    let shown = answer.good();
    assert_eq!(files(&shown), [0, 1].map(|index| format!("image {}", job.key(index))));
    assert_eq!((&shown["size"], &shown["output_format"]), (&json!("1024x1024"), &json!("png")));
    assert_eq!((&shown["usage"]["credits"], &shown["usage"]["total_tokens"]), (&json!(10), &json!(0)));
    assert!(shown["created"].as_i64().is_some_and(|created| created > 1_700_000_000));
    let kept = ada.get(&answer.generation()).await.expect("hers");
    assert_eq!((kept.state(), kept.charge, kept.images.len()), (GenerationState::Succeeded, 10, 2));
    assert_eq!(kept.prompt, "a fox");
    assert_eq!(app.ends_clean().await.of(&kept.name), (10, 2));
}

#[tokio::test]
async fn every_parameter_reaches_the_worker() {
    let mut app = App::start().await;
    app.restart_with_catalogue(|text| {
        text.replace(
            "seed = true",
            "compression = true\nqualities = [\"low\", \"high\"]\nbackgrounds = [\"opaque\"]",
        )
    })
    .await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask(
        &app.program(&ada),
        json!({
            "model": "models/sketch", "prompt": "a fox", "n": 3, "size": "512x512", "quality": "high",
            "background": "opaque", "output_format": "jpeg", "output_compression": 70, "moderation": "low",
            "response_format": "b64_json", "stream": false, "partial_images": null,
            "safety_identifier": "u-1",
        }),
    );
    let job = worker.job().await;
    let settings = job.job.settings.clone().expect("settings");
    assert_eq!((job.job.prompt.as_str(), job.job.count), ("a fox", 3));
    assert_eq!((settings.size.as_str(), settings.quality.as_str()), ("512x512", "high"));
    assert_eq!((settings.background(), settings.format()), (Background::Opaque, ImageFormat::Jpeg));
    assert_eq!(settings.compression, Some(70));
    job.deliver_all().await;
    let shown = asked.await.expect("answered").good();
    assert_eq!((&shown["quality"], &shown["background"]), (&json!("high"), &json!("opaque")));
    app.ends_clean().await;
}

#[tokio::test]
async fn without_a_wish_the_first_model_and_its_defaults_are_taken() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask(
        &app.program(&ada),
        json!({
            "prompt": "a fox", "size": "auto", "quality": "auto", "background": "auto", "model": null, "n": null,
        }),
    );
    let job = worker.job().await;
    let settings = job.job.settings.clone().expect("settings");
    assert_eq!((settings.size.as_str(), job.job.count), ("1024x1024", 1));
    job.deliver_all().await;
    asked.await.expect("answered").good();
    app.ends_clean().await;
}

#[tokio::test]
async fn of_four_images_the_three_that_were_delivered_are_shown_and_charged() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask(&app.program(&ada), json!({ "model": "sketch", "prompt": "a fox", "n": 4 }));
    let job = worker.job().await;
    let images = [job.store(0).await, job.store(1).await, job.store(3).await];
    let Ending::Failed(failure) = failed("PROVIDER_UNAVAILABLE") else { panic!("a failure") };
    job.conclude(images.to_vec(), Ending::Failed(failure)).await;
    job.announce().await;
    let answer = asked.await.expect("answered");
    let shown = answer.good();
    assert_eq!(files(&shown), [0, 1, 3].map(|index| format!("image {}", job.key(index))));
    assert_eq!(shown["usage"]["credits"], 15);
    app.ends_clean().await;
}

#[tokio::test]
async fn links_are_given_where_they_can_be_signed_and_refused_before_anything_is_held_elsewhere() {
    let app = App::start().await;
    let body = json!({ "prompt": "a fox", "response_format": "url" });
    let refused = app.program(&app.user()).draw(body.clone()).await;
    let expected =
        (400, "invalid_request_error".into(), "unsupported_value".into(), Some("response_format".into()));
    assert_eq!(refused.error(), expected);
    assert_eq!(app.billing.calls(), 0, "nothing is held");
    app.ends_clean().await;

    let server = S3Server::start().await.expect("a store");
    let storage = Storage::s3(&S3Config {
        endpoint: server.endpoint().parse().expect("an address"),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.into(),
        allow_http: true,
        path_style: true,
        connect_seconds: 5,
        request_seconds: 30,
        attempts: 3,
    });
    let storage = Some(storage.expect("a bucket"));
    let app = App::set_up(Setup { storage, ..Setup::default() }).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let asked = ask(&program, body);
    let job = worker.job().await;
    job.deliver_all().await;
    let shown = asked.await.expect("answered").good();
    let link = shown["data"][0]["url"].as_str().expect("a link");
    assert!(shown["data"][0]["b64_json"].is_null());
    let file = program.fetch(link).await;
    assert_eq!(file, format!("image {}", job.key(0)));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_finds_its_image_in_the_history() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask_for(&app.program(&ada), "a fox");
    let job = worker.job().await;
    asked.abort();
    assert!(asked.await.expect_err("hung up").is_cancelled());
    job.deliver_all().await;
    let kept = ada.sees_the_end(&job.job.generation).await;
    assert_eq!((kept.state(), kept.charge, kept.images.len()), (GenerationState::Succeeded, 5, 1));
    let found = ada.list(10, "").await.expect("her history").generations;
    let names: Vec<_> = found.into_iter().map(|one| one.name).collect();
    assert_eq!(names, [kept.name.as_str()]);
    assert_eq!(app.ends_clean().await.of(&kept.name), (5, 1));
}

#[tokio::test]
async fn the_models_are_listed_and_shown_as_openai_does() {
    let app = App::start().await;
    let program = app.program(&app.user());
    let listed = program.get("/v1/models").await.good();
    assert_eq!(listed["object"], "list");
    let ids: Vec<_> = listed["data"].as_array().expect("models").iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["sketch", "careful", "narrow", "routed"]);
    let one = program.get("/v1/models/sketch").await.good();
    assert_eq!(one, json!({ "id": "sketch", "object": "model", "created": 0, "owned_by": "sketch" }));
    assert_eq!(program.get("/v1/models/%ff").await.error().0, 404);
    let none = program.get("/v1/models/dall-e-3").await.error();
    assert_eq!(none, (404, "invalid_request_error".into(), "model_not_found".into(), Some("model".into())));
    app.ends_clean().await;
}
