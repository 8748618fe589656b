//! What a worker does with a job that another one left.

use imagioo_proto::jobs::v1::Manifest;
use imagioo_worker::job::UnknownOutcome;
use imagioo_worker::provider::Capabilities;
use prost::Message as _;

use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{World, ending, job, picture, places, taken_over};

fn delivering(capabilities: Capabilities) -> FakeProvider {
    FakeProvider::new(capabilities, [Act::Deliver(vec![Ok(picture(1))])])
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_announced_without_another_call() {
    let mut world = World::new().await;
    let provider = delivering(PAID);
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    let stored = Manifest { worker: "gone".to_owned(), epoch: 1, ..Manifest::default() };
    world.storage.create(&job.manifest_key(), stored.encode_to_vec().into()).await.expect("stored");
    world.submit(&taken_over(&job, &[])).await;
    assert_eq!(world.outcome().await.manifest, stored);
    assert!(provider.state().submitted.is_empty());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_noted_was_never_made() {
    let mut world = World::new().await;
    let provider = delivering(PAID);
    let worker = world.start_worker(provider.clone());
    world.submit(&taken_over(&job(1), &[])).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    assert_eq!(provider.state().submitted.len(), 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_known_task_is_resumed() {
    let mut world = World::new().await;
    let provider = delivering(PAID);
    let worker = world.start_worker(provider.clone());
    world.submit(&taken_over(&job(1), &[(0, Some("task-9"))])).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    assert_eq!(provider.state().resumed, ["task-9"]);
    assert!(provider.state().submitted.is_empty());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_a_cancelled_job_keeps_what_was_stored_stops_the_rest_and_buys_nothing() {
    let mut world = World::new().await;
    let provider = delivering(Capabilities { images_per_call: 1, ..PAID });
    let worker = world.start_worker(provider.clone());
    let job = job(3);
    world.storage.create(&job.image_key(1, 0), picture(1)).await.expect("stored");
    let mut job = taken_over(&job, &[(0, Some("task-0")), (1, Some("task-1"))]);
    job.cancel_requested = true;
    world.submit(&job).await;
    let outcome = world.outcome().await;
    assert_eq!((ending(&outcome.manifest).as_str(), places(&outcome.manifest)), ("cancelled", vec![0]));
    assert!(provider.state().submitted.is_empty() && provider.state().resumed.is_empty());
    assert_eq!(provider.state().cancelled, ["task-1"]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_looked_up_where_the_provider_can() {
    for (known, submitted, resumed) in [(Some("task-5"), 0, 1), (None, 1, 0)] {
        let mut world = World::new().await;
        let provider = delivering(Capabilities { look_up: true, ..PAID });
        provider.state().known = known;
        let worker = world.start_worker(provider.clone());
        world.submit(&taken_over(&job(1), &[(0, None)])).await;
        assert_eq!(ending(&world.outcome().await.manifest), "complete");
        assert_eq!(provider.state().submitted.len(), submitted, "{known:?}");
        assert_eq!(provider.state().resumed.len(), resumed, "{known:?}");
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_repeated_where_that_is_the_same_call() {
    let mut world = World::new().await;
    let provider = FakeProvider::new(Capabilities { idempotent: true, ..PAID }, []);
    let worker = world.start_worker(provider.clone());
    let job = job(1);
    world.submit(&job).await;
    provider.wait_until(|state| state.submitted.len() == 1).await;
    worker.kill().await;

    provider.state().script.push_back(Act::Deliver(vec![Ok(picture(1))]));
    let next_worker = world.start_worker(provider.clone());
    world.submit(&taken_over(&job, &[(0, None)])).await;
    assert_eq!(ending(&world.outcome().await.manifest), "complete");
    let keys: Vec<_> = provider.state().submitted.iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys[0], keys[1]);
    next_worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_follows_the_rule_of_the_deployment() {
    let cases = [
        (UnknownOutcome::Fail, "failed:PROVIDER_OUTCOME_UNKNOWN", 0),
        (UnknownOutcome::Repeat, "complete", 1),
    ];
    for (rule, expected, submitted) in cases {
        let mut world = World::new().await;
        let provider = delivering(PAID);
        let worker = world.start_worker(provider.clone());
        let mut job = taken_over(&job(1), &[(0, None)]);
        job.deployment.unknown_outcome = rule;
        world.submit(&job).await;
        assert_eq!(ending(&world.outcome().await.manifest), expected);
        assert_eq!(provider.state().submitted.len(), submitted);
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn images_that_were_stored_before_are_kept_and_not_bought_again() {
    for (stored, expected, kept) in
        [(2, "complete", vec![0, 1]), (1, "failed:PROVIDER_OUTCOME_UNKNOWN", vec![0])]
    {
        let mut world = World::new().await;
        let provider = delivering(PAID);
        let worker = world.start_worker(provider.clone());
        let job = job(2);
        for place in 0..stored {
            let shade = u8::try_from(place).expect("small");
            world.storage.create(&job.image_key(1, place), picture(shade)).await.expect("stored");
        }
        world.submit(&taken_over(&job, &[(0, None)])).await;
        let manifest = world.outcome().await.manifest;
        assert_eq!((ending(&manifest).as_str(), places(&manifest)), (expected, kept));
        assert_eq!(manifest.images[0].object_key, job.image_key(1, 0).to_string());
        assert!(provider.state().submitted.is_empty());
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_image_that_was_stored_before_is_not_kept() {
    let mut world = World::new().await;
    let worker = world.start_worker(delivering(PAID));
    let job = job(1);
    let whole = picture(1);
    world.storage.create(&job.image_key(1, 0), whole.slice(..whole.len() / 2)).await.expect("stored");
    world.submit(&taken_over(&job, &[(0, None)])).await;
    let manifest = world.outcome().await.manifest;
    assert_eq!((ending(&manifest).as_str(), places(&manifest)), ("failed:PROVIDER_OUTCOME_UNKNOWN", vec![]));
    worker.stop().await;
}
