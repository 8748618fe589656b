//! Where generations run: consent, fallback, and deployments that are left alone.

use futures::future::join_all;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, DeploymentState, Generation, GenerationState, ModelDeployment, Routing,
};
use imagioo_proto::jobs::v1::Charged;
use imagioo_rpc::Code;
use imagioo_types::Clock as _;
use time::Duration;

use crate::harness::{App, User, eventually, failed, passing, refused, wanted};

fn routed(prompt: &str, routing: Routing) -> CreateGenerationRequest {
    CreateGenerationRequest {
        model: "models/routed".to_owned(),
        routing: Some(routing),
        count: 2,
        ..wanted(prompt)
    }
}

fn anywhere() -> Routing {
    let regions = vec!["eu".to_owned(), "us".to_owned()];
    Routing { regions, fallback: true, dearer: true, ..Routing::default() }
}

async fn ask(user: &User, routing: Routing) -> Generation {
    user.ask(routed("a fox", routing)).await.expect("accepted")
}

async fn deployment(user: &User, id: &str) -> ModelDeployment {
    let models = user.list_models().await.models;
    let found = models.into_iter().flat_map(|model| model.deployments).find(|found| found.id == id);
    found.expect("in the catalogue")
}

#[tokio::test]
async fn without_consent_a_failure_stays_where_it_was() {
    let app = App::with("retries = { attempts = 2, backoff_base_seconds = 0 }").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let created = ask(&ada, Routing::default()).await;
    assert_eq!(created.price, 10, "the price of the first deployment");
    for _ in 0..2 {
        near.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
    }
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    app.ends_clean().await;
}

#[tokio::test]
async fn with_consent_another_deployment_goes_on_and_its_price_is_charged() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let (mut dear, mut far) = (app.worker_for("dear", "dear").await, app.worker_for("far", "far").await);
    let created = ask(&ada, anywhere()).await;
    assert_eq!(created.price, 16, "the dearest is held");
    near.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
    dear.job().await.report(failed("PROVIDER_QUOTA")).await;
    let last = far.job().await;
    assert_eq!(last.job.attempt, 3);
    last.deliver_all().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(
        (ended.state(), ended.charge),
        (GenerationState::Succeeded, 8),
        "two at the price of the third"
    );
    app.ends_clean().await;
}

#[tokio::test]
async fn neither_a_refusal_nor_what_may_have_been_paid_goes_elsewhere() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    for ending in
        [refused(), failed("PROVIDER_REJECTED"), passing("PROVIDER_TIMEOUT", Charged::Unknown, None)]
    {
        let created = ask(&ada, anywhere()).await;
        near.job().await.report(ending).await;
        let ended = ada.sees_the_end(&created.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_region_where_the_model_does_not_run_is_refused_before_anything_is_held() {
    let app = App::start().await;
    let ada = app.user();
    let moon = Routing { regions: vec!["moon".to_owned()], ..Routing::default() };
    let error = ada.ask(routed("a fox", moon)).await.expect_err("refused");
    assert_eq!(error.code(), Code::SettingUnsupported);
    assert!(format!("{error:?}").contains("eu, us"), "{error:?}");
    let us = ask(&ada, Routing { regions: vec!["us".to_owned()], ..Routing::default() }).await;
    assert_eq!(us.price, 8, "the price there");
    app.worker_for("far", "far").await.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn r44_a_deployment_that_keeps_failing_is_shut_tried_and_opened_again() {
    let app = App::with("retries.attempts = 1\nbreaker = { failures = 2, shut_seconds = 60 }").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    for _ in 0..2 {
        let created = ask(&ada, Routing::default()).await;
        near.job().await.report(passing("PROVIDER_UNAVAILABLE", Charged::No, None)).await;
        ada.sees_the_end(&created.name).await;
    }
    eventually("it is shut", async || deployment(&ada, "near").await.state() == DeploymentState::Shut).await;
    assert_eq!(deployment(&ada, "near").await.reason, "PROVIDER_UNAVAILABLE");
    let waiting = [ask(&ada, Routing::default()).await, ask(&ada, Routing::default()).await];
    let away = ask(&ada, anywhere()).await;
    let mut dear = app.worker_for("dear", "dear").await;
    dear.job().await.deliver_all().await;
    assert_eq!(ada.sees_the_end(&away.name).await.charge, 16, "who may goes elsewhere at once");
    for generation in &waiting {
        assert_eq!(app.state(&generation.name).await, "queued");
    }
    app.shift(Duration::seconds(61)).await;
    let probe = near.job().await;
    assert_eq!(deployment(&ada, "near").await.state(), DeploymentState::Probing);
    let others = "select count(*) from generation.generations where deployment = 'near' and state = 'queued'";
    assert_eq!(app.number(others).await, 1, "one at a time");
    probe.deliver_all().await;
    eventually("it is open", async || deployment(&ada, "near").await.state() == DeploymentState::Available)
        .await;
    near.work_off(1).await;
    for generation in &waiting {
        assert_eq!(ada.sees_the_end(&generation.name).await.state(), GenerationState::Succeeded);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn never_do_more_run_than_a_deployment_allows_also_when_they_are_created_at_once() {
    let app = App::with("share.in_flight = 20").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let created = join_all((0..12).map(|_| ask(&ada, Routing::default()))).await;
    let sent = "select count(*) from generation.generations where deployment = 'near' and state <> 'queued'";
    assert!(app.number(sent).await <= 4, "not by its creation");
    eventually("the dispatcher sends as many as may run", async || app.number(sent).await == 4).await;
    near.work_off(created.len()).await;
    for generation in &created {
        assert_eq!(ada.sees_the_end(&generation.name).await.state(), GenerationState::Succeeded);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_was_bought_at_a_deployment_that_is_gone_is_not_bought_elsewhere() {
    let app = App::start().await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let created = ask(&ada, anywhere()).await;
    near.job().await.record(0, "task 0").await.expect("accepted");
    let before = ada.list_models().await.catalogue_version;
    app.edit_catalogue(|text| text.replace("id = \"near\"", "id = \"nearby\""));
    eventually("the new catalogue", async || ada.list_models().await.catalogue_version != before).await;
    app.shift(Duration::seconds(31)).await;
    let offer = near.take().await;
    assert!(near.start(&offer).await.is_none(), "there is nothing to do");
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "DEPLOYMENT_GONE");
    app.ends_clean().await;
}

#[tokio::test]
async fn r44_a_probe_that_fails_shuts_for_twice_as_long() {
    let app = App::with("retries.attempts = 1\nbreaker = { failures = 1, shut_seconds = 60 }").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let mut expected = 60;
    for _ in 0..3 {
        let created = ask(&ada, Routing::default()).await;
        near.job().await.report(passing("PROVIDER_TIMEOUT", Charged::No, None)).await;
        ada.sees_the_end(&created.name).await;
        let span = "select extract(epoch from shut_until - shut_at)::bigint
                    from generation.deployment_health where shut_until > generation.clock_now()";
        let shut =
            "select count(*) from generation.deployment_health where shut_until > generation.clock_now()";
        eventually("everybody knows that it is shut", async || app.number(shut).await == 1).await;
        assert_eq!(app.number(span).await, expected);
        app.shift(Duration::seconds(expected)).await;
        eventually("it is tried", async || deployment(&ada, "near").await.state() != DeploymentState::Shut)
            .await;
        expected *= 2;
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is_and_what_lay_ready_comes_back() {
    let app = App::with("retries.backoff_base_seconds = 0").await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let created = [ask(&ada, Routing::default()).await, ask(&ada, Routing::default()).await];
    let first = near.job().await;
    let wait = app.clock.now() + Duration::seconds(300);
    first.report(passing("PROVIDER_RATE_LIMITED", Charged::No, Some(wait))).await;
    eventually("it is paused", async || deployment(&ada, "near").await.state() == DeploymentState::Paused)
        .await;
    for generation in &created {
        eventually("it came back", async || app.state(&generation.name).await == "queued").await;
    }
    app.shift(Duration::seconds(301)).await;
    near.work_off(2).await;
    for generation in &created {
        assert_eq!(ada.sees_the_end(&generation.name).await.state(), GenerationState::Succeeded);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_waits_for_a_shut_deployment_moves_if_it_may() {
    let app = App::with(
        "retries.attempts = 2\nbreaker = { failures = 1, shut_seconds = 600 }\nshare.in_flight = 1",
    )
    .await;
    let (ada, mut near) = (app.user(), app.worker_for("near", "near").await);
    let first = ask(&ada, Routing::default()).await;
    let job = near.job().await;
    let (stays, moves) = (ask(&ada, Routing::default()).await, ask(&ada, anywhere()).await);
    job.report(failed("PROVIDER_AUTH")).await;
    assert_eq!(ada.sees_the_end(&first.name).await.state(), GenerationState::Failed);
    app.worker_for("dear", "dear").await.work_off(1).await;
    assert_eq!(ada.sees_the_end(&moves.name).await.charge, 16);
    assert_eq!(app.state(&stays.name).await, "queued");
    ada.cancel(&stays.name).await.expect("cancelled");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_wished_deadline_is_kept_if_it_is_sooner_than_usual() {
    let app = App::start().await;
    let ada = app.user();
    let soon = CreateGenerationRequest {
        start_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        timeout: Some(prost_types::Duration { seconds: 8, nanos: 0 }),
        ..wanted("a fox")
    };
    let created = ada.ask(soon).await.expect("accepted");
    app.shift(Duration::seconds(6)).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(ended.failure.expect("a reason").reason, "START_DEADLINE_EXCEEDED");
    let never = CreateGenerationRequest {
        timeout: Some(prost_types::Duration { seconds: 0, nanos: 0 }),
        ..wanted("a fox")
    };
    assert_eq!(ada.ask(never).await.expect_err("refused").code(), Code::InvalidArgument);
    app.ends_clean().await;
}
