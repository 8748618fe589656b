//! Refusals: OpenAI's status, type, code and parameter for each, and nothing held.

use imagioo_rpc::Code;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::ask_for;
use crate::harness::{App, Setup, answer, drawing, eventually, failed, form, refused};

const INVALID: &str = "invalid_request_error";

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let app = App::start().await;
    let program = app.program(&app.user());
    for (body, code, param) in [
        (json!({ "model": "sketch" }), "missing_required_parameter", "prompt"),
        (json!({ "prompt": "" }), "missing_required_parameter", "prompt"),
        (json!({ "prompt": "   " }), "invalid_value", "prompt"),
        (json!({ "prompt": "x".repeat(32_001) }), "invalid_value", "prompt"),
        (json!({ "prompt": "a\u{7}fox" }), "invalid_value", "prompt"),
        (json!({ "prompt": 7 }), "invalid_type", "prompt"),
        (json!({ "prompt": "a fox", "n": "2" }), "invalid_type", "n"),
        (json!({ "prompt": "a fox", "n": 1.5 }), "invalid_value", "n"),
        (json!({ "prompt": "a fox", "n": 11 }), "invalid_value", "n"),
        (json!({ "prompt": "a fox", "n": 0 }), "invalid_value", "n"),
        (json!({ "prompt": "a fox", "n": 5 }), "unsupported_value", "n"),
        (json!({ "prompt": "a fox", "size": "big" }), "invalid_value", "size"),
        (json!({ "prompt": "a fox", "size": "7x7" }), "unsupported_value", "size"),
        (json!({ "prompt": "a fox", "quality": "hd" }), "unsupported_value", "quality"),
        (json!({ "prompt": "a fox", "background": "transparent" }), "unsupported_value", "background"),
        (json!({ "prompt": "a fox", "background": "pink" }), "invalid_value", "background"),
        (json!({ "prompt": "a fox", "output_format": "gif" }), "invalid_value", "output_format"),
        (json!({ "prompt": "a fox", "output_format": "webp" }), "unsupported_value", "output_format"),
        (json!({ "prompt": "a fox", "output_compression": 50 }), "unsupported_value", "output_compression"),
        (json!({ "prompt": "a fox", "output_compression": 101 }), "invalid_value", "output_compression"),
        (json!({ "prompt": "a fox", "moderation": "off" }), "invalid_value", "moderation"),
        (json!({ "prompt": "a fox", "response_format": "svg" }), "invalid_value", "response_format"),
        (json!({ "prompt": "a fox", "stream": "true" }), "invalid_type", "stream"),
        (json!({ "prompt": "a fox", "partial_images": 2 }), "unsupported_value", "partial_images"),
        (
            json!({ "prompt": "a fox", "stream": true, "partial_images": 4 }),
            "invalid_value",
            "partial_images",
        ),
        (
            json!({ "prompt": "a fox", "stream": true, "response_format": "url" }),
            "unsupported_value",
            "response_format",
        ),
        (json!({ "prompt": "a fox", "style": "vivid" }), "unknown_parameter", "style"),
        (json!({ "prompt": "a fox", "input_fidelity": "low" }), "unknown_parameter", "input_fidelity"),
    ] {
        let refused = program.draw(body.clone()).await;
        let expected = (400, INVALID.to_owned(), code.to_owned(), Some(param.to_owned()));
        assert_eq!(refused.error(), expected, "{body}: {}", refused.body);
    }
    let unknown = program.draw(json!({ "model": "dall-e-3", "prompt": "a fox" })).await.error();
    assert_eq!(unknown, (404, INVALID.into(), "model_not_found".into(), Some("model".into())));
    let unable =
        program.post_form("/v1/images/variations", form(&[("model", "sketch")], &[("image", b"x")])).await;
    assert_eq!(unable.error(), (400, INVALID.into(), "unsupported_value".into(), Some("model".into())));
    assert_eq!((app.billing.calls(), app.count().await), (0, 0), "nothing is held");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_body_that_is_none_a_path_that_is_none_and_a_wrong_method_are_told_apart() {
    let app = App::with("http.max_body_bytes = 100000").await;
    let program = app.program(&app.user());
    let path = "/v1/images/generations";
    for body in ["", "{", "[]", "null"] {
        let call = program.call(Method::POST, path).header("content-type", "application/json").body(body);
        assert_eq!(answer(call).await.error(), (400, INVALID.into(), "invalid_body".into(), None), "{body}");
    }
    let text = answer(program.call(Method::POST, path).body("{}")).await;
    assert_eq!(text.error().2, "invalid_body");
    let unbound =
        program.call(Method::POST, "/v1/images/edits").header("content-type", "multipart/form-data");
    assert_eq!(answer(unbound.body("x")).await.error().2, "invalid_body");
    let wrong = program.get(path).await;
    assert_eq!((wrong.error().0, wrong.error().2.as_str()), (405, "method_not_supported"));
    for path in ["/v1/images", "/v1/images/upscales", "/v1/chat/completions", "/"] {
        assert_eq!(
            program.post(path, json!({})).await.error(),
            (404, INVALID.into(), "unknown_url".into(), None)
        );
    }

    let long = program.draw(json!({ "prompt": "x".repeat(1 << 20) })).await;
    assert_eq!(long.error(), (413, INVALID.into(), "request_too_large".into(), None));
    let picture = vec![0; 200_000];
    let large =
        program.post_form("/v1/images/edits", form(&[("prompt", "a fox")], &[("image", &picture)])).await;
    assert_eq!(large.error(), (413, INVALID.into(), "request_too_large".into(), None));
    let pieces = futures::stream::iter([(); 3].map(|()| Ok::<_, std::io::Error>(picture.clone())));
    let call = program.call(Method::POST, "/v1/images/edits").header("content-type", "application/json");
    let unmeasured = answer(call.body(reqwest::Body::wrap_stream(pieces))).await;
    assert_eq!(unmeasured.error().0, 413, "a body that does not say how long it is");
    assert_eq!(app.billing.calls(), 0);
    app.ends_clean().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_credential() {
    let app = App::start().await;
    let ada = app.user();
    let program = app.program(&ada);
    let (key, secret) = app.account.create_key(ada.id);
    let revoked = program.with(&secret);
    revoked.get("/v1/models").await.good();
    app.account.revoke_key(key);
    eventually("it is revoked", async || revoked.get("/v1/models").await.status != StatusCode::OK).await;
    for stranger in
        [revoked, program.with("img_live_0_0"), program.with(&app.account.forged(ada.id)), program.with("")]
    {
        for answer in [stranger.get("/v1/models").await, stranger.draw(drawing("a fox")).await] {
            assert_eq!(answer.error(), (401, INVALID.into(), "invalid_api_key".into(), None));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(app.billing.calls(), 0);
    app.ends_clean().await;
}

#[tokio::test]
async fn limits_and_money_are_told_as_openai_does() {
    let app = App::with("limits.user_burst = 3\nlimits.user_per_second = 1").await;
    let (ada, eve) = (app.user(), app.user());
    let program = app.program(&eve);
    for (code, kind, name) in [
        (Code::InsufficientCredits, "insufficient_quota", "insufficient_quota"),
        (Code::WalletFrozen, "billing_not_active", "billing_not_active"),
    ] {
        app.billing.refuse(code);
        let poor = program.draw(drawing("a fox")).await;
        assert_eq!(poor.error(), (429, kind.into(), name.into(), None));
        assert_eq!(poor.header("x-should-retry"), Some("false"), "money does not come by itself");
    }
    let program = app.program(&ada);
    for _ in 0..3 {
        program.get("/v1/models").await.good();
    }
    // On a slow machine a second may have passed, and one more is let in.
    let mut limited = program.get("/v1/models").await;
    while limited.header("retry-after").is_none() {
        limited = program.get("/v1/models").await;
    }
    assert_eq!(limited.error(), (429, "requests".into(), "rate_limit_exceeded".into(), None));
    assert_eq!((limited.header("retry-after"), limited.header("x-should-retry")), (Some("1"), None));
    assert!(limited.header("retry-after-ms").is_some());
    app.ends_clean().await;
}

#[tokio::test]
async fn what_ends_without_an_image_is_an_error_that_no_client_repeats() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let program = app.program(&ada);
    for (ending, status, kind, code) in [
        (refused(), 400, "image_generation_user_error", "moderation_blocked"),
        (failed("PROVIDER_UNAVAILABLE"), 503, "server_error", "provider_unavailable"),
        (failed("PROVIDER_TIMEOUT"), 504, "server_error", "provider_timeout"),
        (failed("PROVIDER_BAD_IMAGE"), 500, "server_error", "provider_bad_image"),
        (failed("INPUT_UNUSABLE"), 400, INVALID, "input_unusable"),
    ] {
        let asked = ask_for(&program, "a fox");
        worker.job().await.report(ending).await;
        let answer = asked.await.expect("answered");
        assert_eq!(answer.error(), (status, kind.into(), code.into(), None));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        if code == "moderation_blocked" {
            let error = &answer.json()["error"];
            let details = json!({ "moderation_stage": "input", "categories": ["violence"] });
            assert_eq!(error["moderation_details"], details);
            assert!(
                error["message"].as_str().is_some_and(|text| text.contains("safety_violations=[violence]"))
            );
        }
        assert_eq!(ada.get(&answer.generation()).await.expect("hers").charge, 0);
    }
    let asked = ask_for(&program, "a fox");
    let job = worker.job().await;
    ada.cancel(&job.job.generation).await.expect("cancelled");
    job.report(imagioo_proto::jobs::v1::manifest::Ending::Cancelled(imagioo_proto::jobs::v1::Cancelled {}))
        .await;
    assert_eq!(asked.await.expect("answered").error().2, "cancelled");
    app.ends_clean().await;
}

#[tokio::test]
async fn while_nobody_knows_who_was_signed_out_models_are_shown_and_nothing_is_drawn() {
    let app = App::set_up(Setup { silent_account: true, ..Setup::default() }).await;
    let program = app.program(&app.user());
    program.get("/v1/models").await.good();
    let refused = program.draw(drawing("a fox")).await;
    assert_eq!(refused.error(), (503, "server_error".into(), "unavailable".into(), None));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(app.billing.calls(), 0);
    app.ends_clean().await;
}
