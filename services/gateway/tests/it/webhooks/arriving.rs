//! What arrives, and how it is proved to be ours.

use imagioo_proto::generation::v1::{WebhookDeliveryState, WebhookEndpoint, WebhookEndpointState};
use imagioo_rpc::Code;
use time::Duration;

use crate::harness::{App, failed, received, receiver, signatures, wanted};

#[tokio::test]
async fn s78_an_outcome_arrives_once_signed_and_with_the_generation() {
    let app = App::start().await;
    let (ada, mut worker, server) = (app.user(), app.worker("w1").await, receiver().await);
    let hook = ada.hook(&server.url("/hook?a=b")).await;
    let created = ada.create("a fox \u{1f98a}").await;
    let attempt = worker.job().await;
    attempt.deliver_all().await;
    // The same outcome, told once more.
    attempt.announce().await;
    let delivery = ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;

    let asked = received(&server, 1).await;
    assert_eq!(asked.len(), 1);
    let asked = &asked[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/hook?a=b"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(signatures(asked, &hook.secret), (1, true));
    assert_eq!(signatures(asked, &ada.hook("https://example.com").await.secret), (1, false));
    assert!(delivery.name.ends_with(&format!("/{}", asked.header("webhook-id").expect("an id"))));
    let body = asked.json();
    assert_eq!(body["type"], "generation.succeeded");
    assert!(body["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(body["data"]["name"], created.name.as_str());
    assert_eq!(body["data"]["state"], "GENERATION_STATE_SUCCEEDED");
    assert_eq!(body["data"]["prompt"], "a fox \u{1f98a}");
    let ended = ada.get(&created.name).await.expect("hers");
    assert_eq!(body["data"]["images"][0]["name"], ended.images[0].name.as_str());
    assert!(!String::from_utf8_lossy(&asked.body).contains(&attempt.key(0).to_string()), "no object keys");

    assert_eq!(delivery.event_type, "generation.succeeded");
    assert_eq!(delivery.subject, created.name);
    assert_eq!((delivery.attempt_count, delivery.next_attempt_time), (1, None));
    assert_eq!((delivery.attempts[0].status, delivery.attempts[0].error.as_str()), (Some(200), ""));
    assert_eq!(app.number("select count(*) from generation.webhook_deliveries").await, 1);
    app.ends_clean().await;
}

#[tokio::test]
async fn an_endpoint_receives_the_events_that_it_chose_and_no_others() {
    let app = App::start().await;
    let (ada, eve, mut worker) = (app.user(), app.user(), app.worker("w1").await);
    let (starts, ends, off) = (receiver().await, receiver().await, receiver().await);
    let started = ada.hook_for(&starts.url("/"), &["generation.started"]).await;
    let ended = ada.hook_for(&ends.url("/"), &["generation.failed", "generation.cancelled"]).await;
    let disabled = ada.hook(&off.url("/")).await;
    let switch = WebhookEndpoint {
        name: disabled.name.clone(),
        state: WebhookEndpointState::Disabled.into(),
        ..WebhookEndpoint::default()
    };
    ada.change_hook(switch, &["state"]).await.expect("off");

    ada.create("one").await;
    worker.job().await.deliver_all().await;
    ada.create("two").await;
    worker.job().await.report(failed("BROKEN")).await;
    let three = ada.create("three").await;
    ada.cancel(&three.name).await.expect("cancelled");
    eve.create("hers").await;
    worker.job().await.deliver_all().await;

    let types = |asked: &[imagioo_testkit::web::Asked]| {
        let mut types: Vec<_> =
            asked.iter().map(|asked| asked.json()["type"].as_str().expect("a type").to_owned()).collect();
        types.sort();
        types
    };
    let asked = received(&starts, 2).await;
    assert_eq!(types(&asked), ["generation.started", "generation.started"]);
    assert!(asked.iter().all(|asked| signatures(asked, &started.secret).1));
    let asked = received(&ends, 2).await;
    assert_eq!(types(&asked), ["generation.cancelled", "generation.failed"]);
    assert!(asked.iter().all(|asked| signatures(asked, &ended.secret).1));
    assert!(off.asked().is_empty());
    assert_eq!(app.number("select count(*) from generation.webhook_deliveries").await, 4);
    let refused = ada.test_hook(&disabled.name).await.expect_err("disabled");
    assert_eq!(refused.code(), Code::WebhookDisabled);
    app.ends_clean().await;
}

#[tokio::test]
async fn s78_during_a_rotation_both_secrets_sign_and_a_day_later_only_the_new_one() {
    let app = App::start().await;
    let (ada, server) = (app.user(), receiver().await);
    let hook = ada.hook(&server.url("/")).await;
    let (rotated, new) = ada.rotate_hook(&hook.name).await.expect("rotated");
    assert!(rotated.old_secret_expire_time.is_some());
    ada.test_hook(&hook.name).await.expect("a test");
    let first = received(&server, 1).await.remove(0);
    assert_eq!(signatures(&first, &new), (2, true));
    assert_eq!(signatures(&first, &hook.secret), (2, true));
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;

    app.shift(Duration::hours(24)).await;
    ada.test_hook(&hook.name).await.expect("a test");
    let second = received(&server, 2).await.remove(1);
    assert_eq!(signatures(&second, &new), (1, true));
    assert_eq!(signatures(&second, &hook.secret), (1, false));
    assert_eq!(ada.get_hook(&hook.name).await.expect("hers").old_secret_expire_time, None);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_test_event_arrives_whatever_the_endpoint_chose() {
    let app = App::start().await;
    let (ada, server) = (app.user(), receiver().await);
    let hook = ada.hook_for(&server.url("/"), &["generation.failed"]).await;
    let test = ada.test_hook(&hook.name).await.expect("a test");
    assert_eq!((test.event_type.as_str(), &test.subject), ("webhook.test", &hook.name));
    let asked = received(&server, 1).await;
    assert!(signatures(&asked[0], &hook.secret).1);
    assert_eq!(asked[0].json()["data"]["name"], hook.name.as_str());
    assert!(!String::from_utf8_lossy(&asked[0].body).contains("whsec_"));
    app.ends_clean().await;
}

#[tokio::test]
async fn texts_that_are_too_long_for_a_request_are_left_out_and_it_says_so() {
    let app = App::with("webhooks.max_bytes = 16384").await;
    let (ada, mut worker, server) = (app.user(), app.worker("w1").await, receiver().await);
    let hook = ada.hook(&server.url("/")).await;
    ada.ask(wanted(&"fox ".repeat(5_000))).await.expect("accepted");
    worker.job().await.deliver_all().await;
    let asked = received(&server, 1).await;
    assert!(asked[0].body.len() < 16_384);
    assert!(signatures(&asked[0], &hook.secret).1);
    let body = asked[0].json();
    assert_eq!((&body["truncated"], &body["data"]["prompt"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(body["data"]["state"], "GENERATION_STATE_SUCCEEDED");
    app.ends_clean().await;
}

#[tokio::test]
async fn what_arrived_can_be_replayed_under_the_same_id() {
    let app = App::start().await;
    let (ada, server) = (app.user(), receiver().await);
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    let delivery = ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    ada.replay(&delivery.name).await.expect("once more");
    let asked = received(&server, 2).await;
    assert_eq!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
    let again = ada.attempted(&hook.name, 2).await;
    assert_eq!(again.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(again.state(), WebhookDeliveryState::Delivered);
    app.ends_clean().await;
}

#[tokio::test]
async fn the_log_forgets_what_is_over_for_a_month() {
    let mut app = App::start().await;
    let (ada, server) = (app.user(), receiver().await);
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    app.shift(Duration::days(31)).await;
    app.restart().await;
    let ada = app.signed_in_again(&ada);
    crate::harness::eventually("the log is empty", async || {
        ada.deliveries(&hook.name).await.is_ok_and(|log| log.is_empty())
    })
    .await;
    assert_eq!(app.number("select count(*) from generation.webhook_attempts").await, 0);
    app.ends_clean().await;
}
