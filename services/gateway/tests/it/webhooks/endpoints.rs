//! What owners do with their endpoints.

use futures::future::join_all;
use imagioo_proto::generation::v1::{WebhookEndpoint, WebhookEndpointState};
use imagioo_rpc::Code;
use time::Duration;

use crate::harness::{App, within};

const URL: &str = "https://example.com/hook";

#[tokio::test]
async fn an_endpoint_is_created_listed_changed_and_removed() {
    let app = App::start().await;
    let ada = app.user();
    let first = ada.hook(URL).await;
    let second = ada.hook_for("https://Example.org", &["generation.failed", "generation.failed"]).await;
    let usual = ada.get_hook(&first.name).await.expect("hers");
    assert_eq!(usual.url, URL);
    assert_eq!(usual.state(), WebhookEndpointState::Enabled);
    let expected = ["generation.succeeded", "generation.failed", "generation.cancelled", "webhook.disabled"];
    assert_eq!(usual.event_types, expected);

    let (newest, token) = ada.list_hooks(1, "").await.expect("a page");
    assert_eq!((&newest[0].name, newest[0].url.as_str()), (&second.name, "https://example.org/"));
    assert_eq!(newest[0].event_types, ["generation.failed"]);
    let (older, _) = ada.list_hooks(1, &token).await.expect("a page");
    assert_eq!(older[0].name, first.name);

    let wanted = WebhookEndpoint {
        name: first.name.clone(),
        url: "https://example.net/other".to_owned(),
        description: "ignored".to_owned(),
        state: WebhookEndpointState::Disabled.into(),
        ..WebhookEndpoint::default()
    };
    let changed = ada.change_hook(wanted.clone(), &["url", "state"]).await.expect("changed");
    assert_eq!((changed.url.as_str(), changed.description.as_str()), ("https://example.net/other", ""));
    assert_eq!(changed.disable_reason, "OWNER");
    assert!(changed.disable_time.is_some());
    let enabled = WebhookEndpoint { state: WebhookEndpointState::Enabled.into(), ..wanted.clone() };
    let again = ada.change_hook(enabled, &["state"]).await.expect("enabled");
    assert_eq!((again.state(), again.disable_reason.as_str()), (WebhookEndpointState::Enabled, ""));
    for (mask, field) in [(&["secret"][..], "update_mask"), (&[], "update_mask")] {
        let refused = ada.change_hook(wanted.clone(), mask).await.expect_err("no such field");
        assert_eq!(refused.violations()[0].0, field);
    }

    ada.delete_hook(&first.name).await.expect("removed");
    assert_eq!(ada.get_hook(&first.name).await.expect_err("gone").code(), Code::NotFound);
    assert_eq!(ada.delete_hook(&first.name).await.expect_err("gone").code(), Code::NotFound);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_stored_in_clear() {
    let app = App::start().await;
    let ada = app.user();
    let (_, first) = ada.try_hook("mine", URL, &[]).await.expect("created");
    let (endpoint, again) = ada.try_hook("mine", URL, &[]).await.expect("the same call once more");
    assert_eq!(again, first, "an answer that was lost can be had again");
    let bare = ada.hook(URL).await;
    let id = bare.name.trim_start_matches("webhookEndpoints/");
    let refused = ada.try_hook(id, URL, &[]).await.expect_err("a key that only we give");
    assert_eq!((refused.code(), refused.violations()[0].0.as_str()), (Code::InvalidArgument, "request_id"));
    ada.delete_hook(&bare.name).await.expect("removed");
    assert!(!format!("{:?}", ada.get_hook(&endpoint.name).await.expect("hers")).contains("whsec_"));
    let (_, second) = ada.rotate_hook(&endpoint.name).await.expect("rotated");
    assert_ne!(second, first);
    let (_, none) = ada.try_hook("mine", URL, &[]).await.expect("the same call once more");
    assert_eq!(none, "", "not after a rotation");
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select sealed from generation.webhook_secrets")
        .fetch_all(&app.pool)
        .await
        .expect("rows");
    assert_eq!(stored.len(), 2);
    ada.rotate_hook(&endpoint.name).await.expect("rotated");
    assert_eq!(app.number("select count(*) from generation.webhook_secrets").await, 2, "never more than two");
    for secret in [&first, &second] {
        let key = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            secret.strip_prefix("whsec_").expect("the mark"),
        )
        .expect("base64");
        for sealed in &stored {
            assert!(!sealed.windows(8).any(|window| key.windows(8).any(|part| part == window)));
        }
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_lost_secret_can_be_asked_for_again_for_ten_minutes_and_not_later() {
    let app = App::start().await;
    let ada = app.user();
    let (endpoint, first) = ada.try_hook("mine", URL, &[]).await.expect("created");
    app.shift(Duration::minutes(9)).await;
    assert_eq!(ada.try_hook("mine", URL, &[]).await.expect("in time").1, first);
    app.shift(Duration::minutes(2)).await;
    let (same, none) = ada.try_hook("mine", URL, &[]).await.expect("the same call once more");
    assert_eq!((same.name, none.as_str()), (endpoint.name, ""), "a secret is shown once");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_repeated_creation_is_one_endpoint_and_another_body_is_a_conflict() {
    let app = App::start().await;
    let ada = app.user();
    let calls = join_all((0..5).map(|_| ada.try_hook("mine", URL, &[]))).await;
    let names: Vec<_> = calls.into_iter().map(|call| call.expect("created").0.name).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    let other = ada.try_hook("mine", "https://example.org/", &[]).await.expect_err("another body");
    assert_eq!(other.code(), Code::RequestIdReused);
    app.user().try_hook("mine", "https://example.org/", &[]).await.expect("somebody else's key");
    app.ends_clean().await;
}

#[tokio::test]
async fn s78_an_address_inside_the_network_is_refused_before_anything_is_stored() {
    let app = App::with("webhooks.trusted_hosts = []").await;
    let ada = app.user();
    let good = ada.hook(URL).await;
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "http://example.com/",
        "https://user:pass@example.com/",
        "https://example.com:25/",
        "file:///etc/passwd",
        "",
    ] {
        let refused = ada.try_hook("", url, &[]).await.expect_err(url);
        assert_eq!(refused.code(), Code::InvalidArgument, "{url}");
        assert_eq!(refused.violations()[0].0, "endpoint.url", "{url}");
        let change = WebhookEndpoint { name: good.name.clone(), url: url.to_owned(), ..Default::default() };
        let refused = ada.change_hook(change, &["url"]).await.expect_err(url);
        assert_eq!(refused.violations()[0].0, "endpoint.url", "{url}");
    }
    let refused = ada.try_hook("", URL, &["generation.exploded"]).await.expect_err("no such event");
    assert_eq!(refused.violations()[0].0, "endpoint.event_types[0]");
    assert_eq!(app.number("select count(*) from generation.webhook_endpoints").await, 1);
    app.ends_clean().await;
}

#[tokio::test]
async fn there_are_never_more_endpoints_than_configured_even_when_they_are_created_at_once() {
    let app = App::with("webhooks.endpoints_per_user = 3").await;
    let ada = app.user();
    let calls = join_all((0..8).map(|_| ada.try_hook("", URL, &[]))).await;
    let (created, refused): (Vec<_>, Vec<_>) = calls.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 3);
    for refusal in refused {
        let refusal = refusal.expect_err("one too many");
        assert_eq!(refusal.code(), Code::TooManyWebhooks);
        assert_eq!(refusal.details()["limit"], "3");
    }
    app.user().hook(URL).await;
    let (hooks, _) = ada.list_hooks(0, "").await.expect("a page");
    ada.delete_hook(&hooks[0].name).await.expect("removed");
    ada.hook(URL).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s68_somebody_elses_endpoint_and_log_are_not_found_in_every_call() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    let hook = ada.hook(URL).await;
    let delivery = ada.test_hook(&hook.name).await.expect("a test");
    let change =
        WebhookEndpoint { name: hook.name.clone(), description: "x".to_owned(), ..Default::default() };
    let refusals = within("answers", async {
        [
            eve.get_hook(&hook.name).await.err(),
            eve.change_hook(change, &["description"]).await.err(),
            eve.rotate_hook(&hook.name).await.err(),
            eve.test_hook(&hook.name).await.err(),
            eve.deliveries(&hook.name).await.err(),
            eve.get_delivery(&delivery.name).await.err(),
            eve.replay(&delivery.name).await.err(),
            eve.delete_hook(&hook.name).await.err(),
        ]
    })
    .await;
    for (call, refusal) in refusals.into_iter().enumerate() {
        assert_eq!(refusal.map(|refusal| refusal.code()), Some(Code::NotFound), "call {call}");
    }
    assert!(eve.list_hooks(0, "").await.expect("hers").0.is_empty());
    assert_eq!(ada.get_hook(&hook.name).await.expect("still there").description, "");
    app.ends_clean().await;
}
