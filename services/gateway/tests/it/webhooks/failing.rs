//! Receivers that do not receive.

use std::sync::Arc;

use imagioo_proto::generation::v1::{WebhookDeliveryState, WebhookEndpoint, WebhookEndpointState};
use imagioo_rpc::Code;
use imagioo_testkit::web::{Reply, WebServer};
use time::Duration;
use tokio::sync::Notify;

use crate::harness::{App, Hook, User, answering, eventually, received, receiver, signatures};

fn yes() -> Reply {
    Reply::json(200, "{}")
}

/// Asked again when the test lets an hour pass, and not before.
fn no() -> Reply {
    Reply::json(500, "{}").with("retry-after", "3600")
}

/// What the first attempt at a receiver with these answers complained about. The second one succeeds, under the same id.
async fn complaint(app: &App, ada: &User, first: Reply) -> (Option<i32>, String) {
    let mut first = Some(first);
    let server = answering(move |_| first.take().unwrap_or_else(yes)).await;
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.attempted(&hook.name, 1).await;
    app.shift(Duration::hours(2)).await;
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    let asked = received(&server, 2).await;
    assert_eq!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
    assert!(asked.iter().all(|asked| signatures(asked, &hook.secret).1));
    let attempts = ada.attempted(&hook.name, 2).await.attempts;
    let [second, first] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!(second.status, Some(200));
    let endpoint = ada.get_hook(&hook.name).await.expect("hers");
    assert_eq!(endpoint.failing_since, None, "what arrived makes up for what did not");
    ada.delete_hook(&hook.name).await.expect("removed");
    (first.status, first.error.clone())
}

#[tokio::test]
async fn whatever_goes_wrong_is_written_down_and_tried_again() {
    let hasty = App::with("webhooks.timeout_seconds = 1").await;
    let silent = complaint(&hasty, &hasty.user(), Reply::Hang).await;
    assert_eq!(silent, (None, "no answer in time".to_owned()));
    hasty.ends_clean().await;
    let app = App::start().await;
    let ada = app.user();
    assert_eq!(complaint(&app, &ada, no()).await, (Some(500), "answered 500".to_owned()));
    assert_eq!(complaint(&app, &ada, Reply::Reset).await, (None, "the connection broke".to_owned()));
    let cut = Reply::Cut { body: b"{}".to_vec(), after: 1 };
    let server = answering(move |_| cut.clone()).await;
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s78_a_redirect_is_not_followed() {
    let app = App::start().await;
    let (ada, elsewhere) = (app.user(), receiver().await);
    let redirect = Reply::json(302, "").with("location", &elsewhere.url("/inside"));
    let (status, error) = complaint(&app, &ada, redirect).await;
    assert_eq!((status, error.as_str()), (Some(302), "answered 302: redirects are not followed"));
    assert!(elsewhere.asked().is_empty());
    app.ends_clean().await;
}

#[tokio::test]
async fn s78_a_name_that_leads_inside_is_refused_when_it_is_looked_up() {
    let app = App::with("webhooks.trusted_hosts = []").await;
    let (ada, server) = (app.user(), receiver().await);
    let hook = ada.hook(&format!("https://localhost:{}/", server.address.port())).await;
    ada.test_hook(&hook.name).await.expect("a test");
    let attempt = ada.attempted(&hook.name, 1).await.attempts.remove(0);
    assert_eq!(attempt.status, None);
    assert!(attempt.error.starts_with("not sent: the host has no public address"), "{}", attempt.error);
    assert!(server.asked().is_empty());
    app.ends_clean().await;
}

#[tokio::test]
async fn a_receiver_that_wants_to_be_left_alone_is() {
    let app = App::start().await;
    let ada = app.user();
    let server =
        answering(
            |number| {
                if number == 0 { Reply::json(503, "{}").with("retry-after", "7200") } else { yes() }
            },
        )
        .await;
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    let failed = ada.attempted(&hook.name, 1).await;
    assert_eq!(failed.state(), WebhookDeliveryState::Pending);
    assert!(failed.give_up_time.is_some());
    let (next, created) = (failed.next_attempt_time.expect("later"), failed.create_time.expect("a time"));
    assert!((7_200..7_260).contains(&(next.seconds - created.seconds)));
    app.shift(Duration::seconds(7_260)).await;
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_and_the_others_are_told() {
    let app = App::start().await;
    let (ada, eve, other, hers) = (app.user(), app.user(), receiver().await, receiver().await);
    let gone = answering(|_| Reply::json(410, "{}")).await;
    let hook = ada.hook(&gone.url("/")).await;
    let told = ada.hook_for(&other.url("/"), &["webhook.disabled"]).await;
    ada.hook_for(&hers.url("/"), &["generation.failed"]).await;
    eve.hook(&hers.url("/eve")).await;
    ada.test_hook(&hook.name).await.expect("a test");

    let asked = received(&other, 1).await;
    assert!(signatures(&asked[0], &told.secret).1);
    let body = asked[0].json();
    assert_eq!(body["type"], "webhook.disabled");
    assert_eq!(
        (&body["data"]["name"], &body["data"]["disableReason"]),
        (&hook.name.clone().into(), &"GONE".into())
    );
    let endpoint = ada.get_hook(&hook.name).await.expect("hers");
    assert_eq!(endpoint.state(), WebhookEndpointState::Disabled);
    assert_eq!(endpoint.disable_reason, "GONE");
    let failed = ada.attempted(&hook.name, 1).await;
    assert_eq!(failed.state(), WebhookDeliveryState::Failed);
    assert_eq!(failed.attempts[0].error, "answered 410");
    assert_eq!(ada.replay(&failed.name).await.expect_err("disabled").code(), Code::WebhookDisabled);
    assert!(hers.asked().is_empty());
    assert_eq!(gone.asked().len(), 1);
    app.ends_clean().await;
}

/// An endpoint that moves to another address while the old one takes its time to answer with this status.
async fn moved_meanwhile(ada: &User, status: u16, new: &WebServer) -> Hook {
    let answers = Arc::new(Notify::new());
    let held = Reply::When(Arc::clone(&answers), Box::new(Reply::json(status, "{}")));
    let old = answering(move |_| held.clone()).await;
    let hook = ada.hook(&old.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    received(&old, 1).await;
    let moved = WebhookEndpoint { name: hook.name.clone(), url: new.url("/"), ..WebhookEndpoint::default() };
    ada.change_hook(moved, &["url"]).await.expect("moved");
    answers.notify_one();
    received(new, 1).await;
    ada.attempted(&hook.name, 2).await;
    hook
}

#[tokio::test]
async fn an_address_that_was_left_and_says_that_it_is_gone_disables_nothing_at_the_new_one() {
    let app = App::start().await;
    let (ada, new) = (app.user(), receiver().await);
    let hook = moved_meanwhile(&ada, 410, &new).await;
    let endpoint = ada.get_hook(&hook.name).await.expect("hers");
    assert_eq!(endpoint.state(), WebhookEndpointState::Enabled);
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_failures_of_an_address_that_was_left_are_not_counted_at_the_new_one() {
    let app = App::start().await;
    let (ada, new) = (app.user(), answering(|_| no()).await);
    let hook = moved_meanwhile(&ada, 500, &new).await;
    assert!(ada.get_hook(&hook.name).await.expect("hers").failing_since.is_some(), "it fails, too");
    let counted = app.number("select failures::bigint from generation.webhook_endpoints").await;
    assert_eq!(counted, 1, "but it has only begun to");
    app.ends_clean().await;
}

#[tokio::test]
async fn the_owner_of_a_single_endpoint_is_told_that_it_was_disabled_where_it_is_listed() {
    let app = App::start().await;
    let ada = app.user();
    let gone = answering(|_| Reply::json(410, "{}")).await;
    let hook = ada.hook(&gone.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.attempted(&hook.name, 1).await;
    let (listed, _) = ada.list_hooks(0, "").await.expect("a page");
    for endpoint in [&listed[0], &ada.get_hook(&hook.name).await.expect("hers")] {
        assert_eq!(
            (endpoint.state(), endpoint.disable_reason.as_str()),
            (WebhookEndpointState::Disabled, "GONE")
        );
        assert!(endpoint.disable_time.is_some());
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_does_not_arrive_for_a_day_is_given_up_and_can_be_replayed() {
    let app = App::start().await;
    let ada = app.user();
    let server = answering(|number| if number < 2 { no() } else { yes() }).await;
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.attempted(&hook.name, 1).await;
    app.shift(Duration::hours(24)).await;
    let given_up = ada.delivery_in(&hook.name, WebhookDeliveryState::Failed).await;
    assert_eq!((given_up.attempt_count, given_up.next_attempt_time), (2, None));
    assert_eq!(ada.get_hook(&hook.name).await.expect("hers").state(), WebhookEndpointState::Enabled);
    ada.replay(&given_up.name).await.expect("once more");
    let arrived = ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    assert_eq!(arrived.attempt_count, 3);
    app.ends_clean().await;
}

#[tokio::test]
async fn an_endpoint_at_which_nothing_arrives_for_days_is_disabled_with_a_reason() {
    let app = App::with("webhooks.disable_after_failures = 3\nwebhooks.retry_hours = 200").await;
    let ada = app.user();
    let server = answering(|number| if number < 3 { no() } else { yes() }).await;
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    let waiting = ada.attempted(&hook.name, 1).await;
    assert!(ada.get_hook(&hook.name).await.expect("hers").failing_since.is_some());
    app.shift(Duration::hours(80)).await;
    ada.attempted(&hook.name, 2).await;
    let still = ada.get_hook(&hook.name).await.expect("hers");
    assert_eq!(still.state(), WebhookEndpointState::Enabled, "long enough, but not often enough");
    app.shift(Duration::hours(3)).await;
    ada.attempted(&hook.name, 3).await;
    let endpoint = ada.get_hook(&hook.name).await.expect("hers");
    assert_eq!(
        (endpoint.state(), endpoint.disable_reason.as_str()),
        (WebhookEndpointState::Disabled, "FAILING")
    );
    assert!(endpoint.disable_time.is_some());
    let given_up = ada.get_delivery(&waiting.name).await.expect("a delivery");
    assert_eq!(given_up.state(), WebhookDeliveryState::Failed);

    let enabled = WebhookEndpoint {
        name: hook.name.clone(),
        state: WebhookEndpointState::Enabled.into(),
        ..WebhookEndpoint::default()
    };
    let enabled = ada.change_hook(enabled, &["state"]).await.expect("on again");
    assert_eq!(enabled.failing_since, None);
    ada.replay(&waiting.name).await.expect("once more");
    ada.delivery_in(&hook.name, WebhookDeliveryState::Delivered).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn disabling_an_endpoint_gives_up_what_waits_for_it() {
    let app = App::start().await;
    let (ada, server): (_, WebServer) = (app.user(), answering(|_| no()).await);
    let hook = ada.hook(&server.url("/")).await;
    ada.test_hook(&hook.name).await.expect("a test");
    ada.attempted(&hook.name, 1).await;
    let off = WebhookEndpoint {
        name: hook.name.clone(),
        state: WebhookEndpointState::Disabled.into(),
        ..WebhookEndpoint::default()
    };
    ada.change_hook(off, &["state"]).await.expect("off");
    eventually("given up", async || {
        ada.deliveries(&hook.name).await.expect("a log")[0].state() == WebhookDeliveryState::Failed
    })
    .await;
    app.ends_clean().await;
}
