//! Batches of several calls: each image stands for itself.

use std::time::Duration;

use imagioo_worker::job::{Job, UnknownOutcome};
use imagioo_worker::provider::{CallError, Capabilities, Charged, Refusal};
use imagioo_worker::reason::Reason;
use tokio::time::Instant;

use crate::fake_provider::{Act, FakeProvider, PAID};
use crate::harness::{World, ending, job, picture, places};

/// A provider that makes one image in a call.
const SINGLE: Capabilities = Capabilities { images_per_call: 1, ..PAID };

fn image(shade: u8) -> Act {
    Act::Deliver(vec![Ok(picture(shade))])
}

fn refused(output: bool) -> CallError {
    CallError::refused(Refusal { output, categories: vec!["violence".to_owned()] })
}

fn unknown(reason: Reason) -> CallError {
    CallError::retry(reason, Charged::Unknown)
}

fn busy(wait: Option<u64>) -> CallError {
    let busy = CallError::retry(Reason::ProviderRateLimited, Charged::No);
    busy.after(wait.map(Duration::from_secs))
}

/// What a batch came to: its ending, the places of its images, and the number of the call behind each submission.
async fn batch(job: Job, acts: impl IntoIterator<Item = Act>) -> (String, Vec<i32>, Vec<u32>) {
    let mut world = World::new().await;
    let provider = FakeProvider::new(SINGLE, acts);
    let worker = world.start_worker(provider.clone());
    world.submit(&job).await;
    let manifest = world.outcome().await.manifest;
    worker.stop().await;
    let submitted = provider.state().submitted.iter().map(|call| call.first).collect();
    (ending(&manifest), places(&manifest), submitted)
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_failed_image_leaves_its_neighbours() {
    let cases = [
        (refused(true), "refused:output:violence"),
        (refused(false), "refused:input:violence"),
        (unknown(Reason::ProviderUnavailable), "failed:PROVIDER_UNAVAILABLE"),
        (unknown(Reason::ProviderBadAnswer), "failed:PROVIDER_BAD_ANSWER"),
        (CallError::failed(Reason::ProviderBadImage), "failed:PROVIDER_BAD_IMAGE"),
    ];
    for (error, expected) in cases {
        let (ending, places, submitted) =
            batch(job(4), [image(1), Act::Fail(error), image(3), image(4)]).await;
        assert_eq!((ending.as_str(), places, submitted), (expected, vec![0, 2, 3], vec![0, 1, 2, 3]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_refused_first_leaves_its_neighbours() {
    let first = [
        (refused(true), "refused:output:violence"),
        (unknown(Reason::ProviderBadImage), "failed:PROVIDER_BAD_IMAGE"),
    ];
    for (error, expected) in first {
        let (ending, places, _) = batch(job(3), [Act::Fail(error), image(2), image(3)]).await;
        assert_eq!((ending.as_str(), places), (expected, vec![1, 2]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_concerns_all_ends_a_batch() {
    for reason in [
        Reason::ProviderAuth,
        Reason::ProviderQuota,
        Reason::ProviderRejected,
        Reason::InputUnusable,
        Reason::ResultHostNotAllowed,
        Reason::ScreeningUnavailable,
    ] {
        let failed = Act::Fail(CallError::failed(reason));
        let (ending, places, submitted) = batch(job(4), [image(1), failed]).await;
        assert_eq!((ending, places, submitted), (format!("failed:{reason}"), vec![0], vec![0, 1]));
    }
    let (ending, places, submitted) = batch(job(4), [Act::Fail(refused(false))]).await;
    assert_eq!((ending.as_str(), places, submitted), ("refused:input:violence", vec![], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_silent_is_not_paid_for_the_whole_batch() {
    let silent = || Act::Fail(unknown(Reason::ProviderUnavailable));
    let (ending, places, submitted) = batch(job(6), [image(1), silent(), image(3), silent(), silent()]).await;
    assert_eq!(ending, "failed:PROVIDER_UNAVAILABLE");
    assert_eq!((places, submitted), (vec![0, 2], vec![0, 1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_within_a_batch_is_waited_for_and_the_same_call_made_again() {
    let started = Instant::now();
    let acts = [image(1), Act::Fail(busy(Some(4))), Act::Fail(busy(None)), image(2), image(3)];
    let (ending, places, submitted) = batch(job(3), acts).await;
    assert_eq!((ending.as_str(), places), ("complete", vec![0, 1, 2]));
    assert_eq!(submitted, [0, 1, 1, 1, 2]);
    assert!(started.elapsed() >= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn waits_within_a_batch_are_short_and_few() {
    let started = Instant::now();
    let (ending, places, submitted) = batch(job(3), [image(1), Act::Fail(busy(Some(6)))]).await;
    assert_eq!((ending.as_str(), places), ("failed:PROVIDER_RATE_LIMITED", vec![0]));
    assert_eq!(submitted, [0, 1]);
    assert!(started.elapsed() < Duration::from_secs(5), "longer waits are the gateway's");

    let always = std::iter::repeat_with(|| Act::Fail(busy(Some(5)))).take(20);
    let (ending, places, submitted) = batch(job(3), std::iter::once(image(1)).chain(always)).await;
    assert_eq!((ending.as_str(), places), ("failed:PROVIDER_RATE_LIMITED", vec![0]));
    assert_eq!(submitted, [0, 1, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_was_delivered_another_attempt_makes_all_of_it() {
    let (ending, places, submitted) = batch(job(4), [Act::Fail(busy(Some(2)))]).await;
    assert_eq!((ending.as_str(), places, submitted), ("retry:PROVIDER_RATE_LIMITED:no", vec![], vec![0]));

    let mut repeatable = job(4);
    repeatable.deployment.unknown_outcome = UnknownOutcome::Repeat;
    let lost = || Act::Fail(unknown(Reason::ProviderBadImage));
    let (ending, places, submitted) = batch(repeatable, [lost()]).await;
    assert_eq!((ending.as_str(), places, submitted), ("retry:PROVIDER_BAD_IMAGE:unknown", vec![], vec![0]));

    let (ending, places, submitted) = batch(job(2), [lost(), lost()]).await;
    assert_eq!(
        (ending.as_str(), places, submitted),
        ("retry:PROVIDER_BAD_IMAGE:unknown", vec![], vec![0, 1])
    );
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_after_a_refusal_repeats_nothing_that_was_refused() {
    let acts = [Act::Fail(refused(true)), Act::Fail(busy(None)), image(2)];
    let (ending, places, submitted) = batch(job(2), acts).await;
    assert_eq!((ending.as_str(), places, submitted), ("refused:output:violence", vec![1], vec![0, 1, 1]));
}

/// A provider that accepted a call is not asked to make it again, whatever it says of the charge.
#[tokio::test(start_paused = true)]
async fn an_accepted_call_of_a_batch_is_never_made_again() {
    let acts = [image(1), Act::Accept("task-1"), Act::Fail(busy(None)), image(3)];
    let (ending, places, submitted) = batch(job(3), acts).await;
    assert_eq!((ending.as_str(), places), ("failed:PROVIDER_RATE_LIMITED", vec![0, 2]));
    assert_eq!(submitted, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_and_the_deadline_end_a_wait_at_once() {
    for cancelled in [true, false] {
        let mut world = World::new().await;
        let provider = FakeProvider::new(SINGLE, [image(1), Act::Fail(busy(Some(5))), image(2)]);
        let worker = world.start_worker(provider.clone());
        let mut job = job(2);
        if !cancelled {
            job.deadline = crate::harness::NOW + Duration::from_secs(3);
        }
        let started = Instant::now();
        world.submit(&job).await;
        provider.wait_until(|state| state.submitted.len() == 2).await;
        if cancelled {
            let generation = job.lease.generation.name();
            world.queue.hint(&imagioo_proto::jobs::v1::CancelUpstream { generation, attempt: 1 }).await;
        }
        let manifest = world.outcome().await.manifest;
        let expected = if cancelled { "cancelled" } else { "failed:DEADLINE_EXCEEDED" };
        assert_eq!((ending(&manifest).as_str(), places(&manifest)), (expected, vec![0]));
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(provider.state().submitted.len(), 2);
        worker.stop().await;
    }
}
