//! Calls that are repeated, given up or overtaken: one generation per key, and none that is lost.

use imagioo_proto::generation::v1::CreateGenerationRequest;
use imagioo_rpc::Code;
use serde_json::json;
use time::Duration;

use super::{ask_for, files, under_way};
use crate::harness::{App, drawing, eventually, wanted};

#[tokio::test]
async fn a_repeated_call_with_the_same_key_is_the_same_generation() {
    let app = App::start().await;
    let (ada, bob, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let again = |key: &'static str| {
        let program = program.clone();
        under_way(async move { program.draw_once(key, drawing("a fox")).await })
    };
    let (first, second) = (again("order 7"), again("order 7"));
    let job = worker.job().await;
    job.deliver_all().await;
    let (first, second) = (first.await.expect("answered"), second.await.expect("answered"));
    let third = program.draw_once("order 7", drawing("a fox")).await;
    for answer in [&first, &second, &third] {
        assert_eq!(files(&answer.good()), [format!("image {}", job.key(0))]);
        assert_eq!(answer.generation(), job.job.generation);
    }
    let watched = json!({ "model": "sketch", "prompt": "a fox", "stream": true, "partial_images": 2 });
    let watched = program.draw_once("order 7", watched).await;
    assert_eq!(watched.generation(), job.job.generation, "how it is watched makes no other call of it");
    assert_eq!(app.billing.holds().len(), 1, "held once");

    let other = program.draw_once("order 7", drawing("a cat")).await;
    assert_eq!(other.error().0, 409);
    assert_eq!(
        (other.error().2.as_str(), other.header("x-should-retry")),
        ("idempotency_key_reused", Some("false"))
    );

    let his = app.program(&bob);
    let his = under_way(async move { his.draw_once("order 7", drawing("a fox")).await });
    worker.work_off(1).await;
    assert_ne!(his.await.expect("answered").generation(), job.job.generation, "keys are each user's own");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_repeated_call_that_names_no_model_is_the_same_generation_whatever_the_default_is_by_then() {
    let mut app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let body = json!({ "prompt": "a fox" });
    let asked = body.clone();
    let asked = under_way(async move { program.draw_once("order 7", asked).await });
    worker.work_off(1).await;
    let first = asked.await.expect("answered");
    let (drawn, generation) = (files(&first.good()), first.generation());
    app.restart_with_catalogue(|text| {
        text.replace("id = \"sketch\"\ntitle", "id = \"fresh\"\ntitle").replace("credits = 5", "credits = 7")
    })
    .await;
    let program = app.program(&app.signed_in_again(&ada));
    let again = program.draw_once("order 7", body.clone()).await;
    assert_eq!((files(&again.good()), again.generation()), (drawn, generation));
    let named = program.draw_once("order 7", json!({ "model": "fresh", "prompt": "a fox" })).await;
    assert_eq!(named.error().2, "idempotency_key_reused", "that is another wish");
    assert_eq!(app.count().await, 1);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_call_that_would_wait_beside_too_many_others_is_refused_before_anything_is_held() {
    let app = App::with("watches.per_user = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let waits = ask_for(&program, "a fox");
    let job = worker.job().await;
    let refused = program.draw(drawing("a cat")).await;
    assert_eq!(refused.error(), (429, "requests".into(), "rate_limit_exceeded".into(), None));
    let asked = CreateGenerationRequest { wait_seconds: 1, ..wanted("a cat") };
    assert_eq!(ada.ask(asked).await.expect_err("the same by gRPC").code(), Code::TooManyWatches);
    assert_eq!(ada.try_watch_all("").await.err().expect("and for streams").code(), Code::TooManyWatches);
    assert_eq!((app.billing.holds().len(), app.count().await), (1, 1), "nothing was begun");
    job.deliver_all().await;
    waits.await.expect("answered").good();
    app.ends_clean().await;
}

#[tokio::test]
async fn without_a_key_every_call_is_another_generation() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    let (first, second) = (ask_for(&program, "a fox"), ask_for(&program, "a fox"));
    worker.work_off(2).await;
    let (first, second) = (first.await.expect("answered"), second.await.expect("answered"));
    assert_ne!(first.generation(), second.generation());
    app.ends_clean().await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let app = App::start().await;
    let program = app.program(&app.user());
    for key in ["", &"k".repeat(256)] {
        assert_eq!(program.draw_once(key, drawing("a fox")).await.error().0, 400);
    }
    assert_eq!(app.billing.calls(), 0, "nothing is held");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_call_that_a_stopping_server_drops_is_taken_up_again_by_its_key() {
    let mut app = App::with("sole_process = true").await;
    let ada = app.user();
    for (key, retry) in [(Some("order 7"), "true"), (None, "false")] {
        let program = app.program(&ada);
        let before = app.count().await;
        let asked = under_way(async move {
            match key {
                Some(key) => program.draw_once(key, drawing("a fox")).await,
                None => program.draw(drawing("a fox")).await,
            }
        });
        eventually("it is accepted", async || app.count().await > before).await;
        app.restart().await;
        let answer = asked.await.expect("answered");
        assert_eq!((answer.error().0, answer.header("x-should-retry")), (503, Some(retry)), "{key:?}");
        assert!(answer.header("retry-after").is_some());
    }
    let mut worker = app.worker("w1").await;
    let program = app.program(&app.signed_in_again(&ada));
    let again = under_way(async move { program.draw_once("order 7", drawing("a fox")).await });
    worker.work_off(2).await;
    again.await.expect("answered").good();
    assert_eq!(app.billing.holds().len(), 2);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_call_that_waited_long_enough_is_told_that_the_generation_goes_on() {
    let app = App::with("http.wait_seconds = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    // On a slow machine the time is over before the acceptance, and the name is not known.
    let answer = loop {
        let answer = app.program(&ada).draw(drawing("a fox")).await;
        assert_eq!((answer.error().0, answer.error().2.as_str()), (504, "deadline_exceeded"));
        assert_eq!(answer.header("x-should-retry"), Some("false"), "a second call would be charged, too");
        worker.work_off(1).await;
        if answer.header("x-imagioo-generation").is_some() {
            break answer;
        }
    };
    assert_eq!(ada.sees_the_end(&answer.generation()).await.charge, 5);
    app.ends_clean().await;
}

#[tokio::test]
async fn somebody_who_was_signed_out_meanwhile_sees_no_image() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask_for(&app.program(&ada), "a fox");
    let job = worker.job().await;
    app.account.revoke_session(ada.session);
    assert_eq!(ada.until_refused().await.code(), Code::TokenRevoked);
    job.deliver_all().await;
    let answer = asked.await.expect("answered");
    assert_eq!(answer.error().0, 401);
    assert!(!answer.body.contains("b64_json"));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_call_waits_longer_than_its_token_lives() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let asked = ask_for(&app.program(&ada), "a fox");
    let job = worker.job().await;
    app.clock.advance(Duration::minutes(6));
    job.deliver_all().await;
    assert_eq!(asked.await.expect("answered").good()["data"].as_array().map(Vec::len), Some(1));
    let late = app.program(&ada).draw(json!({ "prompt": "a fox" })).await;
    assert_eq!(late.error().0, 401);
    app.ends_clean().await;
}
