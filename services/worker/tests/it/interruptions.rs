//! Cancellations, lost leases, deadlines, stops and kills.

use std::time::Duration;

use imagioo_proto::jobs::v1::CancelUpstream;

use crate::fake_gateway::NoteFate;
use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{NOW, World, ending, job, job_at, picture, places, taken_over};

/// A task whose results never come.
fn accepted() -> FakeProvider {
    FakeProvider::new(PAID, [Act::Accept("task-1")])
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_from_the_heartbeat_keeps_what_was_delivered() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::DeliverThenHang(vec![picture(1)])]);
    let worker = world.start_worker(provider.clone());
    let job = job(3);
    world.gateway.state().cancelled.push(job.lease.generation);
    world.submit(&job).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("cancelled", vec![0]));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_from_the_queue_stops_the_provider_before_the_next_heartbeat() {
    let mut world = World::new().await;
    let provider = accepted();
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| !state.resumed.is_empty()).await;
    let generation = job.lease.generation.name();
    let other_attempt = CancelUpstream { generation: generation.clone(), attempt: 2 };
    world.queue.hint(&other_attempt).await;
    world.queue.hint(&CancelUpstream { generation, attempt: 1 }).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("cancelled", vec![]));
    assert_eq!(provider.state().cancelled, ["task-1"]);
    assert_eq!(world.gateway.state().renewals.len(), 0);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_job_without_a_word() {
    let mut world = World::new().await;
    let provider = accepted();
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| !state.resumed.is_empty()).await;
    world.gateway.state().lost.push(job.lease.generation);
    provider.wait_until(|state| state.dropped == 1).await;
    world.is_silent().await;
    assert!(world.manifest(&job).await.is_none());
    assert_eq!(provider.state().cancelled, [""; 0], "the task is another worker's now");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_before_a_paid_call_prevents_the_call() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]);
    let worker = world.start_worker(provider.clone());
    world.gateway.state().note_fate = NoteFate::LeaseLost;
    let job = job(1);
    world.submit(&job).await;
    world.is_silent().await;
    assert!(provider.state().submitted.is_empty());
    assert!(world.manifest(&job).await.is_none());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paid_call_that_cannot_be_noted_is_not_made() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]);
    let worker = world.start_worker(provider.clone());
    world.gateway.state().note_fate = NoteFate::Unreachable;
    world.submit(&job(1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "retry:GATEWAY_UNAVAILABLE:no");
    assert!(provider.state().submitted.is_empty());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_job_and_keeps_what_was_delivered() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::DeliverThenHang(vec![picture(1)])]);
    let worker = world.start_worker(provider);
    let mut job = job(2);
    job.deadline = NOW + Duration::from_secs(5);
    world.submit(&job).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("failed:DEADLINE_EXCEEDED", vec![0]));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_makes_no_call() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]);
    let worker = world.start_worker(provider.clone());
    let mut job = job(1);
    job.deadline = NOW - Duration::from_secs(1);
    world.submit(&job).await;
    assert_eq!(ending(&world.outcome().await.manifest), "failed:DEADLINE_EXCEEDED");
    assert!(provider.state().submitted.is_empty());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_cancelled_and_its_charge_unknown() {
    let mut world = World::new().await;
    let provider = accepted();
    let worker = world.start_worker(provider.clone());
    world.submit(&job(1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "retry:PROVIDER_TIMEOUT:unknown");
    assert_eq!(provider.state().cancelled, ["task-1"]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_soft_stop_takes_no_more_hints_and_finishes_what_runs() {
    let mut world = World::new().await;
    let worker = world.start_configured(toml::toml! {
        [providers.sketch]
        latency_ms = 3000
    });
    let (running, waiting) = (job_at("sketch", 1), job_at("sketch", 1));
    let mut hints = world.progress().await;
    world.submit(&running).await;
    crate::harness::next(&mut hints).await;
    worker.shutdown.request();
    world.submit(&waiting).await;
    let outcome = world.outcome().await;
    assert_eq!(outcome.finished.generation, running.lease.generation.name());
    worker.stop().await;
    world.is_silent().await;
    assert_eq!(world.gateway.state().starts, 1);
}

/// r42: a crash between the submission and the note of its task costs one paid call at most.
#[tokio::test(start_paused = true)]
async fn r42_a_kill_during_a_paid_call_leaves_what_the_next_worker_needs() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, []);
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| state.submitted.len() == 1).await;
    worker.kill().await;
    world.is_silent().await;
    let notes = world.gateway.state().notes.clone();
    assert_eq!(notes, [(0, None)]);

    let next_worker = world.start_worker(provider.clone());
    world.submit(&taken_over(&job, &[(0, None)])).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), manifest.epoch), ("failed:PROVIDER_OUTCOME_UNKNOWN", 2));
    assert_eq!(provider.state().submitted.len(), 1, "nobody pays twice");
    next_worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_a_task_runs_lets_the_next_worker_resume_it() {
    let mut world = World::new().await;
    let provider = accepted();
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| !state.resumed.is_empty()).await;
    worker.kill().await;
    let notes = world.gateway.state().notes.clone();
    assert_eq!(notes, [(0, None), (0, Some("task-1".to_owned()))]);

    provider.state().script.push_back(Act::Deliver(vec![Ok(picture(1))]));
    let next_worker = world.start_worker(provider.clone());
    world.submit(&taken_over(&job, &[(0, Some("task-1"))])).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), manifest.images.len()), ("complete", 1));
    assert_eq!(manifest.images[0].object_key, job.image_key(2, 0).to_string());
    assert_eq!(provider.state().submitted.len(), 1);
    assert_eq!(provider.state().resumed, ["task-1", "task-1"]);
    next_worker.stop().await;
}
