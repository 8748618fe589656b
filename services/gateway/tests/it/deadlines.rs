//! Deadlines are the gateway's, on the database's clock.

use futures::StreamExt as _;
use imagioo_proto::generation::v1::GenerationState;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{CancelUpstream, Charged, Complete};
use imagioo_types::Clock as _;
use time::Duration;

use crate::harness::{App, retry, within};

#[tokio::test]
async fn what_no_worker_starts_in_time_fails_for_free() {
    let app = App::with("share.in_flight = 1").await;
    let ada = app.user();
    let created = ada.create_many(2).await;
    app.shift(Duration::seconds(3601)).await;
    for generation in &created {
        let ended = ada.sees_the_end(&generation.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
        assert_eq!(ended.failure.expect("a reason").reason, "START_DEADLINE_EXCEEDED");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn what_does_not_end_in_time_fails_for_free_and_its_worker_is_told() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    let mut hints = app.queue.listen::<CancelUpstream>().await.expect("listening");
    app.shift(Duration::seconds(7261)).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "DEADLINE_EXCEEDED");
    assert_eq!(within("a hint", hints.next()).await.expect("a hint").generation, created.name);
    assert_eq!(job.renew().await, (false, false));
    job.deliver_all().await;
    assert_eq!(app.state(&created.name).await, "failed", "a late result changes nothing");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_worker_may_still_say_what_it_delivered_when_the_time_is_just_over() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    app.shift(Duration::seconds(3605)).await;
    let later = ada.create("a wolf").await;
    app.shift(Duration::seconds(3605)).await;
    // Due after the other: the sweep that ended it has looked at both.
    let ended = ada.sees_the_end(&later.name).await;
    assert_eq!(ended.failure.expect("a reason").reason, "START_DEADLINE_EXCEEDED");
    assert_eq!(app.state(&created.name).await, "running");
    job.deliver_all().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_result_that_was_stored_in_time_counts_although_nobody_announced_it() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    assert!(job.conclude(vec![job.store(0).await], Ending::Complete(Complete {})).await);
    app.shift(Duration::seconds(7201)).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    app.ends_clean().await;
}

#[tokio::test]
async fn what_had_started_may_wait_for_its_retry_past_the_start_deadline_but_not_past_the_end() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create_many(2).await;
    let later = Some(app.clock.now() + Duration::seconds(5000));
    for _ in 0..2 {
        worker.job().await.report(retry(Charged::No, later)).await;
    }
    app.shift(Duration::seconds(5001)).await;
    let job = worker.job().await;
    assert_eq!(job.job.attempt, 2);
    job.deliver_all().await;
    app.shift(Duration::seconds(2200)).await;
    let mut ends = Vec::new();
    for generation in &created {
        let ended = ada.sees_the_end(&generation.name).await;
        ends.push(ended.failure.map_or_else(String::new, |failure| failure.reason));
    }
    ends.sort();
    assert_eq!(ends, ["", "DEADLINE_EXCEEDED"]);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_retry_after_the_deadline_is_not_waited_for() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    job.report(retry(Charged::No, Some(app.clock.now() + Duration::hours(3)))).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(ended.state(), GenerationState::Failed);
    assert_eq!(ended.failure.expect("a reason").reason, "PROVIDER_UNAVAILABLE");
    app.ends_clean().await;
}
