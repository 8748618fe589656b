//! The life of a started job: recover or attempt, store the outcome, announce it.

use std::time::Duration;

use fail::fail_point;
use imagioo_proto::jobs::v1::GenerationFinished;
use imagioo_queue::Message;

use crate::attempt;
use crate::backoff::Backoff;
use crate::held::Holding;
use crate::job::Job;
use crate::manifest;
use crate::worker::Worker;

/// How long a confirm may take once the process is stopping. The outcome is stored; a takeover announces it.
const LAST_CONFIRM: Duration = Duration::from_secs(3);

/// Runs a job to its announced end, or stops silently when the lease is lost.
pub(crate) async fn run(worker: &Worker, job: &Job, holding: Holding) {
    let lease = job.lease;
    tracing::debug!(generation = %lease.generation, attempt = lease.attempt, epoch = lease.epoch, "job started");
    let announced = tokio::select! {
        biased;
        () = holding.lost() => {
            tracing::info!(generation = %lease.generation, "lease lost, job dropped");
            return;
        }
        announced = conclude(worker, job, &holding) => announced,
    };
    if announced {
        fail_point!("worker.announce.after");
    }
}

async fn conclude(worker: &Worker, job: &Job, holding: &Holding) -> bool {
    let taken_over = job.lease.epoch > 1;
    if !(taken_over && manifest::exists(worker, job).await) {
        let outcome = attempt::attempt(worker, job, holding).await;
        tracing::info!(
            generation = %job.lease.generation,
            attempt = job.lease.attempt,
            epoch = job.lease.epoch,
            images = outcome.images.len(),
            ending = ?outcome.ending,
            "job ended"
        );
        fail_point!("worker.manifest.before");
        if manifest::settle(worker, job, &outcome).await {
            for key in &outcome.withheld {
                worker.results.discard(key).await;
            }
        }
        fail_point!("worker.manifest.after");
    }
    announce(worker, job).await
}

/// Publishes until it is confirmed; false when the process stops first.
async fn announce(worker: &Worker, job: &Job) -> bool {
    let message = Message::of(&GenerationFinished {
        generation: job.lease.generation.name(),
        owner: job.owner.name(),
        attempt: i32::try_from(job.lease.attempt).unwrap_or(i32::MAX),
        manifest: job.manifest_key().to_string(),
    });
    let stopping = async {
        worker.shutdown.requested().await;
        tokio::time::sleep(LAST_CONFIRM).await;
    };
    let publish = async {
        let mut backoff = Backoff::endless();
        while let Err(error) = worker.queue.publish(message.clone()).await {
            tracing::warn!(generation = %job.lease.generation, error = &error as &dyn std::error::Error, "outcome not announced");
            backoff.wait().await;
        }
    };
    tokio::select! {
        () = publish => true,
        () = stopping => {
            tracing::warn!(generation = %job.lease.generation, "outcome left to a takeover");
            false
        }
    }
}
