//! Leases: one holder at a time, a fence for those who wake up late, and an end to taking over.

use futures::future::join_all;
use imagioo_proto::generation::v1::lease_service_client::LeaseServiceClient;
use imagioo_proto::generation::v1::{
    Generation, GenerationState, Lease, RecordTaskRequest, StartGenerationRequest,
};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{Complete, GenerationReady};
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{GenerationId, ServiceName};
use time::Duration;

use crate::harness::{App, Attempt, Worker, failed};

const LAPSE: Duration = Duration::seconds(31);

/// Lets the lease of a running attempt lapse and has another worker take over.
async fn taken_over(app: &App, worker: &mut Worker) -> Attempt {
    app.shift(LAPSE).await;
    worker.job().await
}

fn complete() -> Ending {
    Ending::Complete(Complete {})
}

#[tokio::test]
async fn of_two_workers_with_one_offer_one_gets_the_job_and_the_other_stops() {
    let app = App::start().await;
    let (ada, mut one, two) = (app.user(), app.worker("w1").await, app.worker("w2").await);
    ada.create("a fox").await;
    let offer = one.take().await;
    let (first, second) = tokio::join!(one.start(&offer), two.start(&offer));
    assert_eq!(usize::from(first.is_some()) + usize::from(second.is_some()), 1);
    first.or(second).expect("a job").deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn thirty_two_workers_at_two_replicas_with_one_offer_are_one_job() {
    let app = App::start().await;
    let mut other = app.replica().await;
    let ada = app.user();
    let mut workers = Vec::new();
    for number in 0..32 {
        workers.push(app.worker(&format!("w{number}")).await);
    }
    for _ in 0..4 {
        ada.create("a fox").await;
        let offer = workers[0].take().await;
        let started = join_all(workers.iter().map(|worker| worker.start(&offer))).await;
        let jobs: Vec<_> = started.into_iter().flatten().collect();
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].job.epoch, 1);
        jobs[0].deliver_all().await;
    }
    other.stop().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_same_worker_asking_again_gets_the_same_job() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let offer = worker.take().await;
    let first = worker.start(&offer).await.expect("a job");
    let version = ada.get(&created.name).await.expect("hers").version;
    let again = worker.start(&offer).await.expect("the same job");
    assert_eq!(again.job, first.job);
    assert_eq!(ada.get(&created.name).await.expect("hers").version, version, "nothing changed");
    again.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn there_is_nothing_to_start_where_nothing_was_dispatched() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(2).await;
    let offer =
        |generation: &Generation, attempt| GenerationReady { generation: generation.name.clone(), attempt };
    let unknown = GenerationReady { generation: GenerationId::generate().name(), attempt: 1 };
    assert!(worker.start(&offer(&created[0], 2)).await.is_none(), "another attempt");
    assert!(worker.start(&offer(&created[1], 1)).await.is_none(), "it is queued");
    assert!(worker.start(&unknown).await.is_none(), "unknown");
    worker.work_off(2).await;
    assert!(worker.start(&offer(&created[0], 1)).await.is_none(), "it has ended");
    assert_eq!(app.state(&created[0].name).await, "succeeded");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_workers_bad_call_is_refused_by_field() {
    let app = App::start().await;
    let mut client = LeaseServiceClient::new(app.internal(ServiceName::Worker));
    let generation = GenerationId::generate().name();
    for (generation, attempt, worker, field) in [
        ("", 1, "w1", "generation"),
        ("gen_0", 1, "w1", "generation"),
        (generation.as_str(), 0, "w1", "attempt"),
        (generation.as_str(), 1, "", "worker"),
    ] {
        let (generation, worker) = (generation.to_owned(), worker.to_owned());
        let request = StartGenerationRequest { generation, attempt, worker };
        let error = RpcError::from(client.start_generation(request).await.expect_err(field));
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, field));
    }
    let lease = Lease { generation: "gen_0".to_owned(), attempt: 1, epoch: 1 };
    for (lease, field) in [(None, "lease"), (Some(lease), "lease.generation")] {
        let request = RecordTaskRequest { lease, call: 0, task_id: "task".to_owned() };
        let error = RpcError::from(client.record_task(request).await.expect_err(field));
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, field));
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_lapsed_lease_is_taken_over_under_the_next_epoch() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let silent = one.job().await;
    drop(one);
    let mut two = app.worker("w2").await;
    let version = ada.get(&created.name).await.expect("hers").version;
    let job = taken_over(&app, &mut two).await;
    assert_eq!((job.job.attempt, job.job.epoch), (1, silent.job.epoch + 1));
    assert!(ada.get(&created.name).await.expect("hers").version > version);
    app.keeps_the_laws().await;
    job.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.charge, 5);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_worker_takes_over_from_itself_like_from_any_other_and_is_told_what_it_bought() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let offer = worker.take().await;
    let broken_off = worker.start(&offer).await.expect("a job");
    broken_off.record(0, "task 0").await.expect("accepted");
    let again = worker.start(&offer).await.expect("the same lease");
    assert_eq!((again.job.epoch, again.job.recorded_calls.len()), (1, 1));
    let job = taken_over(&app, &mut worker).await;
    assert_eq!((job.job.attempt, job.job.epoch), (1, 2));
    assert_eq!(job.job.recorded_calls[0].task_id, "task 0");
    assert_eq!(broken_off.renew().await, (false, false), "it is fenced off");
    job.deliver_all().await;
    assert_eq!(ada.sees_the_end(&created.name).await.charge, 5);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_worker_that_keeps_breaking_off_is_not_let_try_for_ever() {
    let app = App::with("retries.takeovers = 2").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    for epoch in 1..=3 {
        assert_eq!(worker.job().await.job.epoch, epoch);
        app.shift(LAPSE).await;
    }
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(ended.failure.expect("a reason").reason, "WORKER_LOST");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_lease_that_is_renewed_in_time_is_not_taken_over() {
    let app = App::start().await;
    let (ada, mut one, two) = (app.user(), app.worker("w1").await, app.worker("w2").await);
    ada.create("a fox").await;
    let offer = one.take().await;
    let job = one.start(&offer).await.expect("a job");
    for _ in 0..3 {
        app.shift(Duration::seconds(20)).await;
        assert_eq!(job.renew().await, (true, false));
        assert!(two.start(&offer).await.is_none(), "it is held");
    }
    job.deliver_all().await;
    assert_eq!(job.renew().await, (false, false), "it has ended");
    app.ends_clean().await;
}

#[tokio::test]
async fn one_renewal_keeps_every_lease_of_a_worker_and_names_those_it_lost() {
    let app = App::with("share.in_flight = 8").await;
    let (ada, mut worker, other) = (app.user(), app.worker("w1").await, app.worker("w2").await);
    ada.create_many(4).await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(worker.job().await);
    }
    jobs[0].deliver_all().await;
    ada.cancel(&jobs[1].job.generation).await.expect("asked");
    let mut leases: Vec<_> = jobs.iter().map(Attempt::lease).collect();
    leases[2].epoch += 1;
    let answer = worker.renew(leases.clone()).await.expect("answered");
    assert_eq!(answer.lost, [&*leases[0].generation, &*leases[2].generation]);
    assert_eq!(answer.cancelled, [&*leases[1].generation]);
    let answer = other.renew(leases.clone()).await.expect("answered");
    assert_eq!((answer.lost.len(), answer.cancelled.len()), (4, 0), "they are not this worker's");
    for job in &jobs[1..] {
        job.deliver_all().await;
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn who_wakes_up_after_a_takeover_can_change_nothing() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let stale = one.job().await;
    drop(one);
    let mut two = app.worker("w2").await;
    let job = taken_over(&app, &mut two).await;
    assert_eq!(stale.renew().await, (false, false), "it is told that the lease is lost");
    let error = stale.record(0, "task").await.expect_err("fenced off");
    assert_eq!(error.code(), Code::LeaseLost);
    job.record(0, "task of its own").await.expect("held");

    let mine = job.store(0).await;
    let theirs = stale.store(0).await;
    assert_ne!(mine.object_key, theirs.object_key, "no epoch overwrites another's");
    assert!(job.conclude(vec![mine.clone()], complete()).await);
    assert!(!stale.conclude(vec![theirs], failed("LATE")).await, "there is one manifest");
    stale.announce().await;
    job.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    assert_eq!(ended.images[0].sha256, mine.sha256);
    assert_eq!(app.ends_clean().await.of(&created.name), (5, 1));
}

#[tokio::test]
async fn whose_manifest_was_first_decides_even_if_the_lease_had_moved_on() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let first = one.job().await;
    drop(one);
    let mut two = app.worker("w2").await;
    let second = taken_over(&app, &mut two).await;
    let image = first.store(0).await;
    assert!(first.conclude(vec![image.clone()], complete()).await);
    assert!(!second.conclude(vec![second.store(0).await], complete()).await);
    second.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(ended.images[0].sha256, image.sha256);
    first.announce().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_result_that_nobody_announced_is_found_when_the_lease_lapses() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    assert!(job.conclude(vec![job.store(0).await], complete()).await);
    app.shift(LAPSE).await;
    assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Succeeded);
    app.ends_clean().await;
}

#[tokio::test]
async fn what_was_bought_is_handed_to_the_next_holder() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    ada.create("a fox").await;
    let silent = one.job().await;
    silent.record(0, "").await.expect("the intent");
    silent.record(0, "task 0").await.expect("accepted");
    silent.record(0, "").await.expect("a late repetition erases nothing");
    silent.record(1, "").await.expect("the intent of another call");
    drop(one);
    let mut two = app.worker("w2").await;
    let job = taken_over(&app, &mut two).await;
    let calls: Vec<_> =
        job.job.recorded_calls.iter().map(|call| (call.call, call.task_id.as_str())).collect();
    assert_eq!(calls, [(0, "task 0"), (1, "")]);
    job.record(1, "task 1").await.expect("recovered");
    let third = taken_over(&app, &mut app.worker("w3").await).await;
    let calls: Vec<_> =
        third.job.recorded_calls.iter().map(|call| (call.call, call.task_id.as_str())).collect();
    assert_eq!(calls, [(0, "task 0"), (1, "task 1")]);
    third.deliver_all().await;
    assert_eq!(third.record(0, "too late").await.expect_err("ended").code(), Code::LeaseLost);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_keep_the_sweeper_from_the_others() {
    let app = App::start().await;
    let (ada, mut one) = (app.user(), app.worker("w1").await);
    ada.create_many(2).await;
    let (broken, whole) = (one.job().await, one.job().await);
    drop(one);
    let settings = |value: &'static str| {
        let change = "update generation.generations set settings = $2::jsonb where id = $1";
        sqlx::query(change).bind(broken.generation().uuid()).bind(value).execute(&app.pool)
    };
    settings(r#"{"size": "large"}"#).await.expect("broken");
    let mut two = app.worker("w2").await;
    app.shift(LAPSE).await;
    let taken = two.job().await;
    assert_eq!(taken.job.generation, whole.job.generation);
    taken.deliver_all().await;
    settings(r#"{"size": "1024x1024", "format": "png"}"#).await.expect("mended");
    two.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn taking_over_ends_and_costs_nothing() {
    let app = App::with("retries.takeovers = 2").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    for epoch in 1..=3 {
        let mut next = app.worker(&format!("w{epoch}")).await;
        std::mem::swap(&mut worker, &mut next);
        drop(next);
        let job = worker.job().await;
        assert_eq!(job.job.epoch, epoch);
        app.shift(LAPSE).await;
    }
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "WORKER_LOST");
    app.ends_clean().await;
}
