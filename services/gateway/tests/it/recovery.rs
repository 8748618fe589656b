//! The process ends, with everything that only its memory held; the next one finishes the work.

use imagioo_proto::generation::v1::GenerationState;
use imagioo_proto::jobs::v1::Charged;
use imagioo_proto::jobs::v1::Complete;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_rpc::Code;
use imagioo_types::Clock as _;
use time::Duration;

use crate::harness::{App, retry};

const ALONE: &str = "sole_process = true\nshare.in_flight = 3";

#[tokio::test]
async fn after_a_restart_everything_that_was_under_way_is_finished() {
    let mut app = App::with(ALONE).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(5).await;
    let running = worker.job().await;
    let unannounced = worker.job().await;
    assert!(unannounced.conclude(vec![unannounced.store(0).await], Ending::Complete(Complete {})).await);
    let states: Vec<_> =
        futures::future::join_all(created.iter().map(|created| app.state(&created.name))).await;
    assert_eq!(states, ["running", "running", "dispatched", "queued", "queued"]);
    drop(worker);

    app.restart().await;
    let ada = app.signed_in_again(&ada);
    let ended = ada.sees_the_end(&unannounced.job.generation).await;
    assert_eq!(ended.state(), GenerationState::Succeeded, "its result was there already");
    let mut worker = app.worker("w2").await;
    let mut epochs = Vec::new();
    for _ in 0..4 {
        let job = worker.job().await;
        epochs.push((job.job.generation.clone(), job.job.epoch));
        job.deliver_all().await;
    }
    assert!(epochs.contains(&(running.job.generation.clone(), 2)), "taken over: {epochs:?}");
    for generation in &created {
        assert_eq!(ada.sees_the_end(&generation.name).await.charge, 5);
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_an_earlier_process_held_is_fenced_off_at_once() {
    // A lease that does not lapse while this test has patience.
    let mut app = App::with("sole_process = true\ntiming.lease_seconds = 3600").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    ada.create("a fox").await;
    let job = worker.job().await;
    job.record(0, "task 0").await.expect("held");
    drop(worker);
    app.restart().await;
    let mut worker = app.worker("w2").await;
    let taken = worker.job().await;
    assert_eq!((taken.job.epoch, taken.job.recorded_calls.len()), (2, 1));
    taken.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn in_a_cluster_a_restart_takes_nothing_from_those_who_live() {
    let mut app = App::with("timing.lease_seconds = 3600").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let before = worker.job().await;
    app.restart().await;
    let ada = app.signed_in_again(&ada);
    let mut worker = app.worker("w1").await;
    let offer = imagioo_proto::jobs::v1::GenerationReady { generation: created.name.clone(), attempt: 1 };
    let job = worker.start(&offer).await.expect("it is still the worker's own");
    assert_eq!(job.job, before.job);
    ada.create("a wolf").await;
    worker.work_off(1).await;
    job.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Succeeded);
    app.ends_clean().await;
}

#[tokio::test]
async fn retries_wait_for_their_time_across_a_restart() {
    let mut app = App::with(ALONE).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let later = Some(app.clock.now() + Duration::minutes(50));
    worker.job().await.report(retry(Charged::No, later)).await;
    app.restart().await;
    let ada = app.signed_in_again(&ada);
    let mut worker = app.worker("w2").await;
    ada.create("a wolf").await;
    worker.work_off(1).await;
    assert_eq!(app.state(&created.name).await, "queued");
    app.shift(Duration::minutes(51)).await;
    worker.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn settlements_that_billing_had_not_confirmed_are_told_after_the_restart() {
    let mut app = App::with(ALONE).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    app.billing.stop_listening();
    let job = worker.job().await;
    job.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Succeeded);
    assert_eq!(app.number("select count(*) from generation.outbox").await, 1, "nobody confirmed it");
    app.restart().await;
    app.shift(Duration::seconds(31)).await;
    assert_eq!(app.ends_clean().await.of(&created.name), (5, 1));
}

#[tokio::test]
async fn a_gateway_that_is_stopping_ends_watches_and_takes_no_more_calls() {
    let mut app = App::with(ALONE).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let mut watching = ada.watch(&created.name).await;
    watching.change().await;
    app.gateway.stop().await;
    assert!(watching.next().await.is_ok_and(|step| step.is_none()), "closed, not broken");
    assert_eq!(ada.get(&created.name).await.expect_err("nobody answers").code(), Code::Unavailable);
    drop(worker);
    app.start_again().await;
    worker = app.worker("w2").await;
    worker.work_off(1).await;
    app.ends_clean().await;
}
