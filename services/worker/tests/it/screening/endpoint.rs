//! What the endpoint is asked, and what its answers and its faults do.

use std::sync::Arc;
use std::time::Duration;

use imagioo_proto::jobs::v1::CancelUpstream;
use imagioo_proto::jobs::v1::manifest::Ending;
use imagioo_testkit::web::{Reply, WebServer};
use imagioo_worker::provider::Capabilities;
use serde_json::json;
use tokio::sync::Notify;

use super::{Moderations, image, is_stored, judged};
use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{World, ending, job, job_at, next, picture, places, within};

fn delivering(shades: &[u8]) -> FakeProvider {
    FakeProvider::new(PAID, [Act::Deliver(shades.iter().map(|shade| Ok(picture(*shade))).collect())])
}

#[tokio::test]
async fn s85_an_image_is_delivered_under_the_recorded_decision() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    let worker = world.start_worker_with(delivering(&[1]), moderations.config(60));
    world.submit(&job(1)).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0]));
    let (by, at) = manifest.images[0].screening.split_once(';').expect("a time");
    assert_eq!((by, at), ("allow:moderations=modr-970d409ef3bef3b70c73d8232df86e7d", "2026-03-01T12:00:00Z"));

    let asked = moderations.server.asked()[0].clone();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/moderations"));
    assert_eq!(asked.header("authorization"), Some("Bearer test-key"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let (media_type, file) = image(&asked);
    assert_eq!((media_type.as_str(), file), ("image/png", picture(1).to_vec()));
    let mut question = asked.json();
    question["input"][0]["image_url"]["url"] = json!("…");
    let input = json!([{ "type": "image_url", "image_url": { "url": "…" } }]);
    assert_eq!(question, json!({ "model": "omni-moderation-latest", "input": input }), "and nothing else");
    worker.stop().await;
}

#[tokio::test]
async fn without_a_screen_the_decision_says_so() {
    let mut world = World::new().await;
    let worker = world.start_worker(delivering(&[1]));
    world.submit(&job(1)).await;
    assert_eq!(world.outcome().await.manifest.images[0].screening, "allow:off");
    worker.stop().await;
}

#[tokio::test]
async fn s85_a_blocked_image_is_deleted_and_its_neighbours_are_delivered() {
    let single = Capabilities { images_per_call: 1, ..PAID };
    let calls = [1, 2, 3].map(|shade| Act::Deliver(vec![Ok(picture(shade))]));
    for (what, provider, paid) in
        [("one call", delivering(&[1, 2, 3]), 1), ("three calls", FakeProvider::new(single, calls), 3)]
    {
        let (mut world, moderations) = (World::new().await, Moderations::flagging(&[2]).await);
        let worker = world.start_worker_with(provider.clone(), moderations.config(60));
        let job = job(3);
        world.submit(&job).await;
        let manifest = world.outcome().await.manifest;
        assert_eq!(ending(&manifest), "refused:output:violence,violence/graphic", "{what}");
        assert_eq!(places(&manifest), [0, 2], "{what}");
        let Some(Ending::Refused(policy)) = manifest.ending else { panic!("{what}: no refusal") };
        assert_eq!(policy.provider, "screening", "no provider refused");
        assert!(!is_stored(&world, &job, (1, 1)).await, "{what}: the blocked image is gone");
        assert!(is_stored(&world, &job, (1, 0)).await && is_stored(&world, &job, (1, 2)).await);
        assert_eq!((provider.state().submitted.len(), moderations.asked()), (paid, 3), "{what}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn s85_a_refusal_outranks_a_failure_that_would_be_tried_again() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[2]).await);
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1).slice(..50)), Ok(picture(2))])]);
    let worker = world.start_worker_with(provider, moderations.config(60));
    world.submit(&job(2)).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!(ending(&manifest), "refused:output:violence,violence/graphic");
    worker.stop().await;
}

#[tokio::test]
async fn s85_a_failed_screening_is_repeated_and_the_call_is_not() {
    let willing = WebServer::start(|_| judged(false)).await;
    let moved = Reply::json(302, "").with("location", &willing.url("/v1/moderations"));
    let allow = br#"{"results":[{"flagged":false}]}"#.to_vec();
    let long = format!(r#"{{"results":[{{"flagged":false,"x":"{}"}}]}}"#, "x".repeat(300_000));
    let faults = [
        Reply::Hang,
        Reply::Drip { body: allow.clone(), pause: Duration::from_millis(100) },
        Reply::Reset,
        Reply::Cut { after: allow.len() - 1, body: allow.clone() },
        Reply::Endless(r#"{"results":[{"flagged":false}],"x":""#),
        Reply::json(200, &long),
        Reply::json(401, "{}"),
        Reply::json(403, "{}"),
        Reply::unknown(),
        Reply::json(429, "{}").with("retry-after", "1"),
        judged(false).under(500),
        Reply::json(503, ""),
        moved,
        Reply::file("text/html", b"<!DOCTYPE html><title>fine</title>"),
        Reply::json(200, r#"{"results":[]}"#),
        Reply::json(200, r#"{"results":[{}]}"#),
        Reply::json(200, r#"{"results":[{"flagged":false"#),
        Reply::json(200, r#"{"error":{"message":"busy"}}"#),
        Reply::json(200, ""),
    ];
    for fault in faults {
        let what = format!("{fault:?}").chars().take(100).collect::<String>();
        let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
        moderations.misbehaves([fault]);
        let provider = delivering(&[1]);
        let worker = world.start_worker_with(provider.clone(), moderations.config(60));
        world.submit(&job(1)).await;
        assert_eq!(ending(&world.outcome().await.manifest), "complete", "{what}");
        assert_eq!((provider.state().submitted.len(), moderations.asked()), (1, 2), "{what}");
        worker.stop().await;
    }
    assert_eq!(willing.asked().len(), 0, "no redirect is followed");
}

#[tokio::test]
async fn s85_what_cannot_be_screened_is_given_up_in_time_and_never_delivered() {
    for (what, status, patience) in [("a fault that lasts", 500, 1), ("an image that is not taken", 400, 60)]
    {
        let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
        moderations.misbehaves((0..100).map(|_| Reply::json(status, "{}")));
        let provider = delivering(&[1]);
        let worker = world.start_worker_with(provider.clone(), moderations.config(patience));
        let job = job(1);
        world.submit(&job).await;
        let manifest = world.outcome().await.manifest;
        assert_eq!(ending(&manifest), "failed:SCREENING_UNAVAILABLE", "{what}");
        assert_eq!(manifest.images, [], "{what}");
        assert!(!is_stored(&world, &job, (1, 0)).await, "{what}: nothing unscreened stays");
        assert_eq!(provider.state().submitted.len(), 1, "{what}");
        assert_eq!(moderations.asked() > 1, status == 500, "{what}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_long_wait_that_the_endpoint_wants_is_not_waited_for_in_vain() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    moderations.misbehaves([Reply::json(429, "{}").with("retry-after", "3600")]);
    let worker = world.start_worker_with(delivering(&[1]), moderations.config(60));
    world.submit(&job(1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "failed:SCREENING_UNAVAILABLE");
    worker.stop().await;
}

#[tokio::test]
async fn an_image_that_is_too_long_for_the_endpoint_is_screened_as_a_copy() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    let mut config = moderations.config(60);
    let endpoint = config["screening"]["moderations"].as_table_mut().expect("a table");
    endpoint.insert("image_bytes".to_owned(), 100.into());
    let worker = world.start_worker_with(delivering(&[1]), config);
    world.submit(&job(1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    let (media_type, file) = image(&moderations.server.asked()[0]);
    assert_eq!(media_type, "image/jpeg");
    let copy = image::load_from_memory(&file).expect("readable");
    assert_eq!((copy.width(), copy.height()), (64, 48));
    worker.stop().await;
}

#[tokio::test]
async fn s85_nothing_is_shown_before_it_is_screened() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    let mut hints = world.progress().await;
    let mut config = moderations.config(60);
    config.extend(toml::toml! {
        [providers.sketch]
        latency_ms = 1200
        previews = 3
    });
    let worker = world.start_configured(config);
    world.submit(&job_at("sketch", 1)).await;
    for _ in 0..4 {
        assert_eq!(next(&mut hints).await.preview, None);
    }
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    assert_eq!(moderations.asked(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_slow_screen_holds_up_no_result_and_images_are_screened_side_by_side() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    let released: Vec<_> = (0..4).map(|_| Arc::new(Notify::new())).collect();
    moderations.misbehaves(released.iter().map(|now| Reply::When(Arc::clone(now), Box::new(judged(false)))));
    let worker = world.start_worker_with(delivering(&[1, 2, 3, 4]), patient(&moderations));
    let mut job = job(4);
    job.deployment.call_timeout = Duration::from_secs(1);
    world.submit(&job).await;
    // None is answered before all are asked for.
    all_asked(&moderations, 4).await;
    tokio::time::sleep(job.deployment.call_timeout).await;
    for now in released {
        now.notify_one();
    }
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0, 1, 2, 3]));
    worker.stop().await;
}

#[tokio::test]
async fn s85_a_cancellation_delivers_nothing_that_is_not_screened() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    moderations.misbehaves([judged(false), Reply::Hang]);
    let provider = FakeProvider::new(PAID, [Act::DeliverThenHang(vec![picture(1), picture(2)])]);
    let worker = world.start_worker_with(provider, patient(&moderations));
    let job = job(3);
    world.submit(&job).await;
    all_asked(&moderations, 2).await;
    let cancel = CancelUpstream { generation: job.lease.generation.name(), attempt: 1 };
    world.queue.hint(&cancel).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!(ending(&manifest), "cancelled");
    assert!(manifest.images.len() <= 1, "one image waits for its decision");
    worker.stop().await;
}

/// Waits until the endpoint was asked so often.
async fn all_asked(moderations: &Moderations, count: usize) {
    within(async {
        while moderations.asked() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The options of a worker that waits a minute for each answer.
fn patient(moderations: &Moderations) -> toml::Table {
    let mut config = moderations.config(60);
    let endpoint = config["screening"]["moderations"].as_table_mut().expect("a table");
    endpoint.insert("timeout_seconds".to_owned(), 60.into());
    config
}
