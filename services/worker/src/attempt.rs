//! One attempt: its provider calls, what they deliver, and how it ends.

mod batch;
mod calls;
mod keeping;
mod recovery;

use std::convert::Infallible;
use std::time::Duration;

use imagioo_proto::generation::v1 as generation;
use imagioo_proto::jobs::v1::GenerationProgress;
use imagioo_storage::ObjectKey;
use time::OffsetDateTime;

use crate::held::Holding;
use crate::job::Job;
use crate::progress::{INTERVAL, Progress, Report, Stage};
use crate::provider::{CallError, Charged, Fate, Refusal};
use crate::reason::Reason;
use crate::results::Delivered;
use crate::worker::Worker;
use calls::Calls;

/// How long an attempt rests whose provider is not configured here; it may be elsewhere.
const CONFIGURATION_PAUSE: Duration = Duration::from_secs(30);

/// What an attempt comes to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// In order of their places.
    pub(crate) images: Vec<Delivered>,
    pub(crate) ending: Ending,
    /// What was stored and must be deleted when this is the outcome.
    pub(crate) withheld: Vec<ObjectKey>,
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every image is there.
    Complete,
    /// Nothing is there, and another attempt may do better.
    Retry { cause: Reason, not_before: Option<OffsetDateTime>, charged: Charged },
    /// The content was refused.
    Refused(Refusal),
    /// The content was made, and the output screen does not let it through.
    Blocked(Refusal),
    /// The missing images will never come.
    Failed(Reason),
    /// Its owner cancelled it.
    Cancelled,
}

/// Makes the calls of a job until they are done, cancelled or out of time. What was delivered before stays.
pub(crate) async fn attempt(worker: &Worker, job: &Job, holding: &Holding) -> Outcome {
    let mut images = Vec::new();
    let Some(provider) = worker.providers.get(&job.deployment.provider) else {
        let missing = CallError::retry(Reason::ProviderNotConfigured, Charged::No);
        return Outcome {
            ending: end(worker, job, &images, missing.after(Some(CONFIGURATION_PAUSE))),
            images,
            withheld: Vec::new(),
        };
    };
    let own = job.own_key.as_ref().map(|key| provider.with_key(key));
    let provider = match &own {
        None => provider,
        Some(Some(own)) => own.as_ref(),
        Some(None) => {
            let unusable = CallError::failed(Reason::OwnKeyUnusable);
            return Outcome { ending: end(worker, job, &images, unusable), images, withheld: Vec::new() };
        }
    };
    let progress = Progress::default();
    progress.report(Stage::Starting, 0);
    let calls = Calls::new(worker, job, holding, (provider, &progress));
    let left = (job.deadline - worker.clock.now()).try_into().unwrap_or(Duration::ZERO);
    let made = tokio::select! {
        biased;
        () = holding.cancelled() => Err(Ending::Cancelled),
        () = tokio::time::sleep(left) => Err(Ending::Failed(Reason::DeadlineExceeded)),
        made = calls.make(&mut images) => Ok(made),
        never = tell(worker, job, &progress) => match never {},
    };
    let ending = match made {
        Ok(Ok(())) => Ending::Complete,
        Ok(Err(error)) => end(worker, job, &images, error),
        Err(interruption) => {
            tracing::info!(generation = %job.lease.generation, ending = ?interruption, "job interrupted");
            calls.cancel().await;
            calls.wind_up(&mut images).await;
            interruption
        }
    };
    images.sort_by_key(|image: &Delivered| image.stored.index);
    Outcome { images, ending, withheld: calls.withheld() }
}

/// What follows from a failed call. Only an attempt that delivered nothing may be repeated.
fn end(worker: &Worker, job: &Job, images: &[Delivered], error: CallError) -> Ending {
    tracing::warn!(
        generation = %job.lease.generation,
        provider = job.deployment.provider,
        reason = error.reason.as_str(),
        delivered = images.len(),
        error = &error as &dyn std::error::Error,
        "provider call failed"
    );
    match error.fate {
        Fate::Retry { after, charged } if images.is_empty() => Ending::Retry {
            cause: error.reason,
            not_before: after.map(|after| worker.clock.now() + after),
            charged,
        },
        Fate::Retry { .. } | Fate::Failed => Ending::Failed(error.reason),
        Fate::Refused(refusal) => Ending::Refused(refusal),
        Fate::Blocked(refusal) => Ending::Blocked(refusal),
    }
}

/// Passes reports on, at most one per interval. Whatever that takes, the calls go on meanwhile.
async fn tell(worker: &Worker, job: &Job, progress: &Progress) -> Infallible {
    loop {
        let mut report = progress.next().await;
        report.preview = match report.preview {
            Some(preview) => worker.results.shown(preview).await,
            None => None,
        };
        worker.queue.hint(&hint(job, report)).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

fn hint(job: &Job, report: Report) -> GenerationProgress {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    GenerationProgress {
        generation: job.lease.generation.name(),
        attempt: number(job.lease.attempt),
        epoch: i64::try_from(job.lease.epoch).unwrap_or(i64::MAX),
        stage: report.stage.as_str().to_owned(),
        percent: number(report.percent),
        preview: report.preview.map(|preview| generation::Preview {
            index: number(preview.index),
            format: generation::ImageFormat::from(preview.format).into(),
            data: preview.data,
        }),
        owner: job.owner.name(),
    }
}
