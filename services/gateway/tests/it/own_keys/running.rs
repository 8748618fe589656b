//! Which key a generation runs on, from its creation to its worker.

use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationState, KeySource, Routing};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{Charged, Complete};
use time::Duration;

use crate::harness::{App, passing, retry, wanted};

const KEY: &str = "sk-of-ada-0123456789";

/// Two images of the model that runs at `near` (5, on an own key 2) and `dear` (8, on an own key 2).
pub fn routed(routing: Routing) -> CreateGenerationRequest {
    CreateGenerationRequest {
        model: "models/routed".to_owned(),
        routing: Some(routing),
        count: 2,
        ..wanted("a fox")
    }
}

#[tokio::test]
async fn a_job_runs_on_its_owners_key_and_costs_what_the_service_costs() {
    let app = App::start().await;
    let (ada, eve, mut near) = (app.user(), app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    let created = ada.ask(routed(Routing::default())).await.expect("accepted");
    assert_eq!((created.price, created.key_source()), (4, KeySource::Own));
    let attempt = near.job().await;
    assert_eq!(attempt.job.own_key.as_ref().map(|own| own.key.as_str()), Some(KEY));
    attempt.deliver(1).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 2), "one image of two");
    let others = eve.ask(routed(Routing::default())).await.expect("accepted");
    assert_eq!((others.price, others.key_source()), (10, KeySource::Operator));
    let attempt = near.job().await;
    assert_eq!(attempt.job.own_key, None, "nobody's key is used for somebody else");
    attempt.deliver_all().await;
    assert_eq!(app.ends_clean().await.of(&created.name), (2, 1));
}

#[tokio::test]
async fn the_key_that_comes_first_is_the_callers_own_wherever_the_model_runs_in_the_region() {
    let app = App::start().await;
    let ada = app.user();
    ada.set_key("dear", KEY).await.expect("set");
    let created = ada.ask(routed(Routing::default())).await.expect("accepted");
    assert_eq!((created.deployment.as_str(), created.price), ("dear", 4));
    let refused = Routing { key_source: KeySource::Operator.into(), ..Routing::default() };
    let operators = ada.ask(routed(refused)).await.expect("accepted");
    assert_eq!((operators.deployment.as_str(), operators.price), ("near", 10));
    app.worker_for("dear", "w1").await.work_off(1).await;
    app.worker_for("near", "w2").await.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_operators_key_goes_on_only_with_consent_to_what_is_dearer() {
    let app = App::with("retries = { attempts = 2, backoff_base_seconds = 0 }").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    let fallback = Routing { fallback: true, ..Routing::default() };
    let stays = ada.ask(routed(fallback.clone())).await.expect("accepted");
    for _ in 0..2 {
        near.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
    }
    assert_eq!(ada.sees_the_end(&stays.name).await.state(), GenerationState::Failed);
    let goes = ada.ask(routed(Routing { dearer: true, ..fallback })).await.expect("accepted");
    assert_eq!(goes.price, 16, "the dearest is held");
    near.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
    let mut dear = app.worker_for("dear", "w2").await;
    let attempt = dear.job().await;
    assert_eq!(attempt.job.own_key, None, "a key goes to its own provider only");
    attempt.deliver_all().await;
    let ended = ada.sees_the_end(&goes.name).await;
    assert_eq!((ended.charge, ended.key_source()), (16, KeySource::Operator));
    app.ends_clean().await;
}

#[tokio::test]
async fn whose_key_it_is_was_decided_at_the_creation() {
    let app = App::start().await;
    let ada = app.user();
    let before = ada.ask(routed(Routing::default())).await.expect("accepted");
    ada.set_key("near", KEY).await.expect("set");
    let own = ada.ask(routed(Routing::default())).await.expect("accepted");
    let doomed = ada.ask(routed(Routing::default())).await.expect("accepted");
    ada.set_key("near", "sk-of-ada-another-one").await.expect("set again");
    let mut near = app.worker_for("near", "w1").await;
    let attempt = near.job().await;
    assert_eq!((attempt.job.generation.as_str(), &attempt.job.own_key), (before.name.as_str(), &None));
    attempt.deliver_all().await;
    let attempt = near.job().await;
    let used = attempt.job.own_key.as_ref().map(|own| own.key.as_str());
    assert_eq!(used, Some("sk-of-ada-another-one"), "what waits uses the new one");
    attempt.deliver_all().await;
    ada.delete_key("near").await.expect("deleted");
    let offer = near.take().await;
    assert!(near.start(&offer).await.is_none(), "no job without the key");
    let ended = ada.sees_the_end(&doomed.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a failure").reason, "OWN_KEY_GONE");
    assert_eq!(ada.sees_the_end(&own.name).await.charge, 4);
    app.ends_clean().await;
}

#[tokio::test]
async fn an_attempt_that_another_worker_takes_over_goes_on_with_the_same_key_or_not_at_all() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    let same = ada.ask(routed(Routing::default())).await.expect("accepted");
    let first = near.job().await;
    first.record(0, "task-1").await.expect("held");
    app.shift(Duration::seconds(120)).await;
    let mut heir = app.worker_for("near", "w2").await;
    let second = heir.job().await;
    assert_eq!(second.job.own_key, first.job.own_key);
    second.deliver_all().await;
    assert_eq!(ada.sees_the_end(&same.name).await.charge, 4);

    let changed = ada.ask(routed(Routing::default())).await.expect("accepted");
    near.job().await.record(0, "task-2").await.expect("held");
    ada.set_key("near", "sk-of-ada-another-one").await.expect("set again");
    app.shift(Duration::seconds(120)).await;
    let offer = heir.take().await;
    assert!(heir.start(&offer).await.is_none(), "another account has no such task");
    let failure = ada.sees_the_end(&changed.name).await.failure.expect("a failure");
    assert_eq!(failure.reason, "OWN_KEY_GONE");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_failure_of_the_provider_is_tried_again_on_the_same_key() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    let created = ada.ask(routed(Routing::default())).await.expect("accepted");
    near.job().await.report(retry(Charged::No, None)).await;
    let again = near.job().await;
    assert_eq!((again.job.attempt, again.job.own_key.is_some()), (2, true));
    again.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.charge, 4);
    app.ends_clean().await;
}

#[tokio::test]
async fn what_was_made_before_the_key_went_is_delivered_and_charged() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "w1").await);
    ada.set_key("near", KEY).await.expect("set");
    let created = ada.ask(routed(Routing::default())).await.expect("accepted");
    let offer = near.take().await;
    let attempt = near.start(&offer).await.expect("a job");
    let stored = attempt.store(0).await;
    assert!(attempt.conclude(vec![stored], Ending::Complete(Complete {})).await, "and then it dies");
    ada.delete_key("near").await.expect("deleted");
    assert!(near.start(&offer).await.is_none(), "nothing is left to do");
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 2));
    app.ends_clean().await;
}
