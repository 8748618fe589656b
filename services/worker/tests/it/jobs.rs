//! From a hint to an announced outcome.

use std::time::Duration;

use imagioo_proto::jobs::v1::Manifest;
use imagioo_worker::provider::{CallError, Charged, Refusal};
use imagioo_worker::reason::Reason;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{NOW, World, ending, job, job_at, next, picture, places, within};

#[tokio::test(start_paused = true)]
async fn a_hint_becomes_stored_images_a_manifest_and_an_announcement() {
    let mut world = World::new().await;
    let worker = world.start_configured(toml::Table::new());
    let job = job_at("sketch", 2);
    world.submit(&job).await;

    let outcome = world.outcome().await;
    assert_eq!(outcome.finished.generation, job.lease.generation.name());
    assert_eq!(outcome.finished.owner, job.owner.name());
    assert_eq!(outcome.finished.attempt, 1);
    let manifest = outcome.manifest;
    assert_eq!((ending(&manifest).as_str(), manifest.epoch, places(&manifest)), ("complete", 1, vec![0, 1]));
    assert_eq!(manifest.finish_time.expect("a date").seconds, NOW.unix_timestamp());
    assert!(manifest.worker.starts_with("worker-"));
    for (place, image) in (0..).zip(&manifest.images) {
        let key = job.image_key(1, place);
        assert_eq!(image.object_key, key.to_string());
        let file = world.storage.read(&key).await.expect("readable").expect("the image");
        assert_eq!((image.format, image.width, image.height), (1, 64, 48));
        assert_eq!(image.size_bytes, i64::try_from(file.len()).expect("small"));
        assert_eq!(image.sha256, Sha256::digest(&file).to_vec());
        assert_eq!(image.seed, Some(7 + i64::from(place)));
    }
    assert_eq!(world.gateway.state().notes, [], "a free call needs no intent");
    worker.stop().await;
    world.is_silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_a_call_becomes_several_calls_with_their_own_notes() {
    let mut world = World::new().await;
    let capabilities = imagioo_worker::provider::Capabilities { images_per_call: 2, ..PAID };
    let provider = FakeProvider::new(
        capabilities,
        [Act::Deliver(vec![Ok(picture(1)), Ok(picture(2))]), Act::Deliver(vec![Ok(picture(3))])],
    );
    let worker = world.start_worker(provider.clone());
    world.submit(&job(3)).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0, 1, 2]));
    let asked: Vec<_> =
        provider.state().submitted.iter().map(|call| (call.first, call.count, call.settings.seed)).collect();
    assert_eq!(asked, [(0, 2, Some(7)), (2, 1, Some(9))]);
    assert_eq!(world.gateway.state().notes, [(0, None), (1, None)]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_hint_many_times_runs_one_job() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]);
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    for _ in 0..3 {
        world.submit(&job).await;
    }
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    world.submit(&job).await;
    world.is_silent().await;
    assert_eq!(provider.state().submitted.len(), 1);
    assert_eq!(world.gateway.state().starts, 4);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_without_a_job_is_acknowledged_and_forgotten() {
    let mut world = World::new().await;
    let worker = world.start_worker(FakeProvider::new(PAID, []));
    world.offer(&job(1).lease.generation.name(), 1).await;
    world.is_silent().await;
    assert_eq!(world.gateway.state().starts, 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_names_nothing_is_a_dead_letter() {
    let world = World::new().await;
    let worker = world.start_worker(FakeProvider::new(PAID, []));
    world.offer("generations/nonsense", 1).await;
    let given_up = async {
        while world.queue.dead_letters().await.expect("listed").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    within(given_up).await;
    worker.stop().await;
    assert_eq!(world.gateway.state().starts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_asked_again() {
    let mut world = World::new().await;
    let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]));
    world.gateway.state().failing_starts = 2;
    world.submit(&job(1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    assert_eq!(world.gateway.state().starts, 3);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn images_delivered_before_a_failure_stay() {
    let lost = || CallError::retry(Reason::ProviderBadImage, Charged::Unknown);
    let refused = || CallError::refused(Refusal { output: true, categories: vec!["violence".to_owned()] });
    let cases = [
        (vec![Ok(picture(1)), Err(lost()), Ok(picture(3))], "failed:PROVIDER_BAD_IMAGE", vec![0, 2]),
        (vec![Ok(picture(1)), Err(refused())], "refused:output:violence", vec![0]),
        (vec![Ok(picture(1)), Ok(picture(2))], "failed:PROVIDER_FEWER_IMAGES", vec![0, 1]),
        (vec![Err(lost()), Err(lost()), Err(lost())], "retry:PROVIDER_BAD_IMAGE:unknown", vec![]),
        (vec![], "retry:PROVIDER_FEWER_IMAGES:unknown", vec![]),
    ];
    for (delivery, expected, kept) in cases {
        let mut world = World::new().await;
        let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(delivery)]));
        world.submit(&job(3)).await;
        let manifest = world.outcome().await.manifest;
        assert!(ending(&manifest).starts_with(expected), "{} is not {expected}", ending(&manifest));
        assert_eq!(places(&manifest), kept, "{expected}");
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_images_than_asked_are_left() {
    let mut world = World::new().await;
    let delivery = (1..6).map(|shade| Ok(picture(shade))).collect();
    let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(delivery)]));
    world.submit(&job(2)).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("complete", vec![0, 1]));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_whole_image_is_neither_delivered_nor_kept() {
    let good = picture(1);
    let files = [
        bytes::Bytes::from_static(b"<!DOCTYPE html><title>not found</title>"),
        bytes::Bytes::new(),
        good.slice(..good.len() - 1),
        good.slice(..good.len() / 2),
    ];
    for file in files {
        let mut world = World::new().await;
        let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(vec![Ok(file)])]));
        let job = job(1);
        world.submit(&job).await;
        let manifest = world.outcome().await.manifest;
        assert_eq!(ending(&manifest), "retry:PROVIDER_BAD_IMAGE:unknown");
        let left = world.storage.read(&job.image_key(1, 0)).await.expect("readable");
        assert!(left.is_none(), "the bytes were kept");
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_under_the_images_key_is_ours_only_if_it_is_equal() {
    for (there, expected) in [(picture(1), "complete"), (picture(2), "retry:STORAGE_UNAVAILABLE:unknown")] {
        let mut world = World::new().await;
        let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]));
        let job = job(1);
        world.storage.create(&job.image_key(1, 0), there).await.expect("stored");
        world.submit(&job).await;
        assert_eq!(ending(&world.outcome().await.manifest), expected);
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_wait_becomes_a_date() {
    let mut world = World::new().await;
    let busy = CallError::retry(Reason::ProviderRateLimited, Charged::No).after(Some(Duration::from_secs(7)));
    let worker = world.start_worker(FakeProvider::new(PAID, [Act::Fail(busy)]));
    world.submit(&job(1)).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!(ending(&manifest), "retry:PROVIDER_RATE_LIMITED:no");
    let Some(imagioo_proto::jobs::v1::manifest::Ending::Retry(retry)) = manifest.ending else {
        panic!("no retry")
    };
    assert_eq!(retry.not_before.expect("a date").seconds, NOW.unix_timestamp() + 7);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_configured_here_is_tried_elsewhere() {
    let mut world = World::new().await;
    let worker = world.start_worker(FakeProvider::new(PAID, []));
    world.submit(&job_at("absent", 1)).await;
    assert_eq!(ending(&world.outcome().await.manifest), "retry:PROVIDER_NOT_CONFIGURED:no");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_manifest_announces_the_winner() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(PAID, []);
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| state.submitted.len() == 1).await;
    let winner = Manifest { worker: "another".to_owned(), epoch: 2, ..Manifest::default() };
    world.storage.create(&job.manifest_key(), winner.encode_to_vec().into()).await.expect("first");
    world.gateway.state().cancelled.push(job.lease.generation);

    let finished = world.outcome().await;
    assert_eq!(finished.manifest, winner);
    assert_eq!(finished.finished.generation, job.lease.generation.name());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_announcement_keeps_the_lease_until_it_is_confirmed() {
    let mut world = World::deaf();
    let worker = world.start_worker(FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]));
    let job = job(1);
    world.submit(&job).await;
    within(world.gateway.renewals(5)).await;
    assert!(world.manifest(&job).await.is_some(), "the outcome is safe meanwhile");
    let held = world.gateway.state().renewals.last().cloned();
    assert_eq!(held, Some(vec![job.lease]));

    world.listen().await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    world.is_silent().await;
    let more = tokio::time::timeout(Duration::from_secs(60), world.gateway.renewals(6)).await;
    assert!(more.is_err(), "nothing is held any more");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_with_previews_and_not_too_often() {
    let mut world = World::new().await;
    let mut hints = world.progress().await;
    let worker = world.start_configured(toml::toml! {
        [providers.sketch]
        latency_ms = 4000
    });
    world.submit(&job_at("sketch", 1)).await;
    let (started, mut told) = (tokio::time::Instant::now(), Vec::new());
    for _ in 0..4 {
        told.push(next(&mut hints).await);
    }
    assert!(started.elapsed() >= Duration::from_millis(750));
    assert_eq!(told[0].stage, "generating");
    let percents: Vec<_> = told.iter().map(|hint| hint.percent).collect();
    assert_eq!(percents, [0, 25, 50, 75]);
    let previews: Vec<_> = told.iter().filter_map(|hint| hint.preview.clone()).collect();
    assert_eq!(previews.len(), 3);
    let sizes =
        previews.iter().map(|preview| image::load_from_memory(&preview.data).expect("readable").width());
    assert!(sizes.is_sorted());
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    worker.stop().await;
}
