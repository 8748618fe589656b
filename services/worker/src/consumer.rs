//! The consumer of one deployment's queue: a free permit, a hint, a lease, an acknowledgement, then the job.

use std::sync::Arc;
use std::time::Duration;

use fail::fail_point;
use imagioo_proto::jobs::v1::GenerationReady;
use imagioo_queue::{Deliveries, Delivery, QueueError, Subscription};
use imagioo_types::GenerationId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::config::DeploymentConfig;
use crate::held::Stop;
use crate::leases::LeaseError;
use crate::run;
use crate::worker::Worker;

/// Most hints that wait here for their lease; more would only be kept from other workers.
const MAX_PREFETCH: u16 = 32;

/// How long a hint rests when the gateway does not answer. The hint expires soon, the row stays.
const GATEWAY_PAUSE: Duration = Duration::from_secs(1);

/// Works until the shutdown is requested, then waits for the running jobs until it is forced.
///
/// # Errors
/// [`QueueError`] when the queue cannot be consumed.
pub(crate) async fn work(worker: Arc<Worker>, deployment: DeploymentConfig) -> Result<(), QueueError> {
    let permits = Arc::new(Semaphore::new(deployment.concurrency as usize));
    let prefetch = u16::try_from(deployment.concurrency).unwrap_or(u16::MAX).clamp(1, MAX_PREFETCH);
    let mut backoff = Backoff::endless();
    loop {
        let subscription = Subscription::deployment(&deployment.id, prefetch);
        let mut deliveries = worker.queue.consume(subscription).await?;
        while let Some((permit, delivery)) = next(&worker, &permits, &mut deliveries).await {
            start(&worker, permit, delivery);
        }
        if worker.shutdown.is_requested() {
            break;
        }
        tracing::warn!(deployment = deployment.id, "subscription ended, subscribing again");
        backoff.wait().await;
    }
    tokio::select! {
        _all_back = permits.acquire_many(deployment.concurrency) => {}
        () = worker.shutdown.forced() => {}
    }
    Ok(())
}

/// Starts a job beside the others; its permit comes back when it has ended.
fn start(worker: &Arc<Worker>, permit: OwnedSemaphorePermit, delivery: Delivery) {
    let (span, worker) = (delivery.span(), Arc::clone(worker));
    let shutdown = worker.shutdown.clone();
    let job = async move {
        handle(&worker, delivery).await;
        drop(permit);
    };
    shutdown.spawn("job", job.instrument(span));
}

/// A permit first, then a hint to use it for; nothing once the shutdown is requested.
async fn next(
    worker: &Worker,
    permits: &Arc<Semaphore>,
    deliveries: &mut Deliveries,
) -> Option<(OwnedSemaphorePermit, Delivery)> {
    tokio::select! {
        biased;
        () = worker.shutdown.requested() => None,
        permit = Arc::clone(permits).acquire_owned() => {
            let permit = permit.ok()?;
            tokio::select! {
                biased;
                () = worker.shutdown.requested() => None,
                delivery = deliveries.next() => Some((permit, delivery?)),
            }
        }
    }
}

async fn handle(worker: &Worker, delivery: Delivery) {
    let Some((generation, attempt)) = read(&delivery) else {
        return delivery.dead_letter("the hint names no generation and attempt").await;
    };
    fail_point!("worker.start.before");
    let job = match worker.leases.start(&worker.id, generation, attempt).await {
        Ok(Some(job)) => job,
        Ok(None) | Err(LeaseError::Lost) => return delivery.ack().await,
        Err(error @ LeaseError::Malformed(_)) => {
            tracing::error!(%generation, error = &error as &dyn std::error::Error, "job refused");
            return delivery.ack().await;
        }
        Err(error @ LeaseError::Unavailable(_)) => {
            tracing::warn!(%generation, error = &error as &dyn std::error::Error, "job not started");
            return delivery.retry(GATEWAY_PAUSE).await;
        }
    };
    fail_point!("worker.start.after");
    let holding = worker.held.take(job.lease, job.lease_time);
    if job.cancel_requested {
        worker.held.stop(job.lease, Stop::Cancelled);
    }
    delivery.ack().await;
    fail_point!("worker.ack.after");
    match holding {
        Some(holding) => run::run(worker, &job, holding).await,
        None => tracing::debug!(%generation, "hint repeated"),
    }
}

fn read(delivery: &Delivery) -> Option<(GenerationId, u32)> {
    let ready: GenerationReady = delivery.decode().ok()?;
    Some((GenerationId::from_name(&ready.generation).ok()?, u32::try_from(ready.attempt).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(_: impl FnOnce(&'static Worker, Delivery) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_job_in_flight_is_small() {
        let size = size_of_future(handle);
        assert!(size < 12 * 1024, "{size} bytes");
    }
}
