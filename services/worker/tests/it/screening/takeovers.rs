//! A worker that dies leaves stored images of which nobody knows whether they may be seen.

use imagioo_testkit::web::Reply;

use super::{Moderations, is_stored};
use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{World, ending, job, picture, places, taken_over, within};

#[tokio::test]
async fn s85_a_takeover_screens_again_what_it_finds_and_calls_nobody() {
    for (what, flagged, expected, kept) in [
        ("allowed", vec![], "complete", vec![0, 1]),
        ("one blocked", vec![1], "refused:output:violence,violence/graphic", vec![1]),
        ("both blocked", vec![1, 2], "refused:output:violence,violence/graphic", vec![]),
    ] {
        let (mut world, moderations) = (World::new().await, Moderations::flagging(&flagged).await);
        let provider = FakeProvider::new(PAID, []);
        let worker = world.start_worker_with(provider.clone(), moderations.config(60));
        let job = job(2);
        for (place, shade) in [(0, 1), (1, 2)] {
            world.storage.create(&job.image_key(1, place), picture(shade)).await.expect("stored");
        }
        world.submit(&taken_over(&job, &[(0, None)])).await;
        let manifest = world.outcome().await.manifest;
        assert_eq!((ending(&manifest).as_str(), places(&manifest)), (expected, kept), "{what}");
        assert!(manifest.images.iter().all(|image| image.screening.starts_with("allow:moderations=")));
        assert_eq!(is_stored(&world, &job, (1, 0)).await, flagged.is_empty(), "{what}");
        assert_eq!((provider.state().submitted.len(), moderations.asked()), (0, 2), "{what}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn s85_an_image_whose_worker_died_while_it_was_screened_is_neither_shown_nor_bought_again() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[1]).await);
    moderations.misbehaves([Reply::Hang]);
    let provider = FakeProvider::new(PAID, [Act::Deliver(vec![Ok(picture(1))])]);
    let mut config = moderations.config(60);
    let endpoint = config["screening"]["moderations"].as_table_mut().expect("a table");
    endpoint.insert("timeout_seconds".to_owned(), 60.into());
    let first = world.start_worker_with(provider.clone(), config.clone());
    let job = job(1);
    world.submit(&job).await;
    within(async {
        while moderations.asked() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    first.kill().await;
    assert!(world.manifest(&job).await.is_none() && is_stored(&world, &job, (1, 0)).await);

    let second = world.start_worker_with(provider.clone(), config);
    world.submit(&taken_over(&job, &[(0, None)])).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!(
        (ending(&manifest).as_str(), places(&manifest)),
        ("refused:output:violence,violence/graphic", vec![])
    );
    assert!(!is_stored(&world, &job, (1, 0)).await);
    assert_eq!(provider.state().submitted.len(), 1);
    second.stop().await;
}

#[tokio::test]
async fn s85_a_stored_image_that_cannot_be_screened_is_not_kept() {
    let (mut world, moderations) = (World::new().await, Moderations::flagging(&[]).await);
    moderations.misbehaves((0..100).map(|_| Reply::json(500, "")));
    let provider = FakeProvider::new(PAID, []);
    let worker = world.start_worker_with(provider.clone(), moderations.config(1));
    let job = job(1);
    world.storage.create(&job.image_key(1, 0), picture(1)).await.expect("stored");
    world.submit(&taken_over(&job, &[(0, None)])).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("failed:SCREENING_UNAVAILABLE", vec![]));
    assert!(provider.state().submitted.is_empty() && !is_stored(&world, &job, (1, 0)).await);
    worker.stop().await;
}
