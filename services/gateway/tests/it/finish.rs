//! Applying what an attempt left behind: once, whatever is repeated, and never more than is true.

use bytes::Bytes;
use futures::future::join_all;
use imagioo_proto::generation::v1::{
    ContentPolicy, CreateGenerationRequest, Failure, Generation, GenerationState,
};
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_proto::jobs::v1::{Charged, Complete, StoredImage};
use imagioo_storage::ObjectKey;
use imagioo_types::{Clock as _, GenerationId, UserId};
use time::Duration;

use crate::harness::{App, Attempt, User, Worker, eventually, failed, refused, retry, wanted};

fn complete() -> Ending {
    Ending::Complete(Complete {})
}

/// Somebody's generation of `count` images in a worker's hands.
async fn running(app: &App, count: i32) -> (User, Worker, Generation, Attempt) {
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.ask(CreateGenerationRequest { count, ..wanted("a fox") }).await.expect("accepted");
    let job = worker.job().await;
    (ada, worker, created, job)
}

#[tokio::test]
async fn one_announcement_twenty_times_at_once_is_one_settlement() {
    let app = App::start().await;
    let mut other = app.replica().await;
    let (ada, _worker, created, job) = running(&app, 2).await;
    let images = vec![job.store(0).await, job.store(1).await];
    assert!(job.conclude(images, complete()).await);
    join_all((0..20).map(|_| job.announce())).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.charge, ended.images.len()), (10, 2));
    job.announce().await;
    assert_eq!(ada.sees_the_end(&created.name).await, ended, "nothing changes any more");
    other.stop().await;
    assert_eq!(app.ends_clean().await.of(&created.name), (10, 2));
}

#[tokio::test]
async fn three_of_four_images_are_kept_and_charged_and_the_fourth_is_explained() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 4).await;
    job.deliver(3).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge, ended.price), (GenerationState::Succeeded, 15, 20));
    assert_eq!(ended.images.len(), 3);
    assert_eq!(ended.failure.expect("an explanation").reason, "FEWER_IMAGES");
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_an_image_that_no_recorded_decision_lets_be_seen_is_not_delivered_and_not_charged() {
    for screening in ["", "allow", "allow:nobody", "deny:moderations=modr-1;2026-03-01T12:00:00Z"] {
        let app = App::start().await;
        let (ada, mut worker, created, job) = running(&app, 2).await;
        let unseen = StoredImage { screening: screening.to_owned(), ..job.store(1).await };
        assert!(job.conclude(vec![job.store(0).await, unseen], complete()).await);
        job.announce().await;
        let ended = ada.sees_the_end(&created.name).await;
        assert_eq!((ended.charge, ended.images.len(), ended.images[0].index), (5, 1, 0), "{screening}");
        assert_eq!(ended.failure.expect("an explanation").reason, "FEWER_IMAGES");

        let other = ada.create("a cat").await;
        let job = worker.job().await;
        let unseen = StoredImage { screening: screening.to_owned(), ..job.store(0).await };
        assert!(job.conclude(vec![unseen], complete()).await);
        job.announce().await;
        let ended = ada.sees_the_end(&other.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0), "{screening}");
        app.ends_clean().await;
    }
}

#[tokio::test]
async fn what_was_delivered_before_a_failure_is_kept_and_charged() {
    for ending in [failed("BROKEN"), refused(), retry(Charged::No, None)] {
        let app = App::start().await;
        let (ada, _worker, created, job) = running(&app, 2).await;
        let image = job.store(1).await;
        assert!(job.conclude(vec![image], ending).await);
        job.announce().await;
        let ended = ada.sees_the_end(&created.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
        assert_eq!(ended.images[0].index, 1);
        assert!(ended.failure.is_some(), "why one is missing");
        app.ends_clean().await;
    }
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_and_not_before_its_time() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker, created, job) = running(&app, 1).await;
    job.report(retry(Charged::No, Some(app.clock.now() + Duration::minutes(50)))).await;
    let waiting = ada.get(&created.name).await.expect("hers");
    assert_eq!(waiting.state(), GenerationState::Queued);
    assert_eq!(waiting.failure.as_ref().expect("the last failure").reason, "PROVIDER_UNAVAILABLE");
    app.keeps_the_laws().await;

    let eve = app.user();
    eve.create("a wolf").await;
    worker.work_off(1).await;
    assert_eq!(app.state(&created.name).await, "queued", "the dispatcher has passed it over");

    app.shift(Duration::minutes(51)).await;
    let again = worker.job().await;
    assert_eq!((again.job.generation.as_str(), again.job.attempt, again.job.epoch), (&*created.name, 2, 1));
    assert!(again.job.recorded_calls.is_empty());
    again.deliver_all().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    assert!(ended.failure.is_none(), "the failure has passed");
    app.ends_clean().await;
}

#[tokio::test]
async fn an_announcement_of_an_earlier_attempt_changes_nothing() {
    let app = App::start().await;
    let (_ada, mut worker, created, first) = running(&app, 1).await;
    first.report(retry(Charged::No, None)).await;
    let second = worker.job().await;
    assert_eq!(second.job.attempt, 2);
    first.announce().await;
    assert_eq!(first.renew().await, (false, false));
    assert_eq!(app.state(&created.name).await, "running");
    second.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn attempts_are_counted_and_after_the_last_one_the_failure_stands() {
    let app = App::with("retries.attempts = 3").await;
    let (ada, mut worker, created, job) = running(&app, 1).await;
    job.report(retry(Charged::No, None)).await;
    for attempt in 2..=3 {
        let job = worker.job().await;
        assert_eq!(job.job.attempt, attempt);
        job.report(retry(Charged::No, None)).await;
    }
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "PROVIDER_UNAVAILABLE");
    app.ends_clean().await;
}

#[tokio::test]
async fn what_may_have_been_paid_for_is_repeated_only_where_the_deployment_says_so() {
    let app = App::start().await;
    let (_ada, mut repeats, _, job) = running(&app, 1).await;
    job.report(retry(Charged::Unknown, None)).await;
    assert_eq!(repeats.job().await.job.attempt, 2);
    let eve = app.user();
    let mut fails = app.worker_for("careful", "w2").await;
    let careful = CreateGenerationRequest { model: "models/careful".to_owned(), ..wanted("a fox") };
    let created = eve.ask(careful).await.expect("accepted");
    fails.job().await.report(retry(Charged::Unspecified, None)).await;
    let ended = eve.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    app.shift(Duration::seconds(31)).await;
    repeats.work_off(1).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn a_refusal_of_the_content_is_final_and_costs_nothing() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 1).await;
    job.report(refused()).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    let failure = ended.failure.expect("a reason");
    assert_eq!(failure.reason, "CONTENT_POLICY");
    let policy = failure.content_policy.expect("the refusal");
    assert_eq!((policy.stage.as_str(), policy.provider.as_str()), ("input", "sketch"));
    assert_eq!(policy.categories, ["violence"]);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_completion_without_an_image_is_a_failure_that_costs_nothing() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 1).await;
    job.report(complete()).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
    assert_eq!(ended.failure.expect("a reason").reason, "NO_IMAGE");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_damaged_manifest_fails_the_generation_on_our_side() {
    for damage in [Bytes::from_static(b"\xff\xff not a manifest"), Bytes::new()] {
        let app = App::start().await;
        let (ada, _worker, created, job) = running(&app, 1).await;
        assert!(job.conclude_with(damage).await);
        job.announce().await;
        let ended = ada.sees_the_end(&created.name).await;
        assert_eq!((ended.state(), ended.charge), (GenerationState::Failed, 0));
        assert_eq!(ended.failure.expect("a reason").reason, "MANIFEST_DAMAGED");
        app.ends_clean().await;
    }
}

#[tokio::test]
async fn only_images_of_this_attempt_and_within_what_was_asked_for_count() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 2).await;
    let good = job.store(1).await;
    let (owner, generation) = (job.owner(), job.generation());
    let at = |key: ObjectKey| StoredImage { object_key: key.to_string(), index: 0, ..good.clone() };
    let images = vec![
        at(ObjectKey::image(UserId::generate(), generation, 1, 1, 0)),
        at(ObjectKey::image(owner, GenerationId::generate(), 1, 1, 0)),
        at(ObjectKey::image(owner, generation, 2, 1, 0)),
        at(job.manifest_key()),
        StoredImage { object_key: "../../etc/passwd".to_owned(), index: 0, ..good.clone() },
        StoredImage { index: 2, ..good.clone() },
        StoredImage { index: -1, ..good.clone() },
        good.clone(),
        StoredImage { object_key: job.key(7).to_string(), ..good.clone() },
    ];
    assert!(job.conclude(images, complete()).await);
    job.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge), (GenerationState::Succeeded, 5));
    assert_eq!(ended.images.len(), 1);
    assert_eq!((ended.images[0].index, &ended.images[0].sha256), (1, &good.sha256));
    app.ends_clean().await;
}

#[tokio::test]
async fn images_that_no_row_can_hold_are_left_out_and_the_rest_is_kept() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 4).await;
    let good = job.store(0).await;
    let images = vec![
        StoredImage { index: 1, ..good.clone() },
        StoredImage { index: 2, width: 0, object_key: job.key(2).to_string(), ..good.clone() },
        StoredImage {
            index: 3,
            sha256: Bytes::from_static(b"short"),
            object_key: job.key(3).to_string(),
            ..good.clone()
        },
        good.clone(),
    ];
    assert!(job.conclude(images, complete()).await);
    job.announce().await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!((ended.state(), ended.charge, ended.images.len()), (GenerationState::Succeeded, 5, 1));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_reason_that_no_row_can_hold_still_ends_the_generation() {
    let app = App::start().await;
    let (ada, _worker, created, job) = running(&app, 1).await;
    let policy = ContentPolicy {
        stage: "out\0put".to_owned(),
        categories: vec!["a\0b".to_owned(); 1_000],
        provider: "x".repeat(1 << 20),
    };
    let failure =
        Failure { reason: "BAD\0".to_owned(), message: "\0".to_owned(), content_policy: Some(policy) };
    job.report(Ending::Failed(failure)).await;
    let ended = ada.sees_the_end(&created.name).await;
    assert_eq!(ended.state(), GenerationState::Failed);
    assert_eq!(ended.failure.expect("a reason").reason, "BAD");
    app.ends_clean().await;
}

#[tokio::test]
async fn a_result_counts_in_whatever_open_state_its_attempt_is_found() {
    let app = App::with("share.in_flight = 1").await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let created = ada.create("a fox").await;
    let job = worker.job().await;
    assert!(job.conclude(vec![job.store(0).await], complete()).await);
    // As after a restart that found a hint of its own lost: the row went back to the queue, the worker went on.
    let back = "update generation.generations
                set state = 'dispatched', worker = null, lease_until = null, epoch = 0, dispatched_at = clock_now
                from generation.clock_now() where state = 'running'";
    sqlx::query(back).execute(&app.pool).await.expect("put back");
    job.announce().await;
    assert_eq!(ada.sees_the_end(&created.name).await.state(), GenerationState::Succeeded);
    app.ends_clean().await;
}

#[tokio::test]
async fn the_gauges_of_a_queue_go_up_and_back_to_zero() {
    imagioo_runtime::telemetry::metrics::install();
    let mut app = App::start().await;
    app.restart_with_catalogue(|text| text.replace("\"sketch\"", "\"gauged\"")).await;
    let (ada, mut worker) = (app.user(), app.worker_for("gauged", "w1").await);
    let shows = async |value: u32| {
        let line = format!("imagioo_queue_in_flight{{deployment=\"gauged\"}} {value}\n");
        eventually("the gauge follows", async || {
            imagioo_runtime::telemetry::metrics::render().contains(&line)
        })
        .await;
    };
    ada.ask(CreateGenerationRequest { model: "models/gauged".to_owned(), ..wanted("a fox") })
        .await
        .expect("accepted");
    shows(1).await;
    worker.work_off(1).await;
    shows(0).await;
    app.ends_clean().await;
}
