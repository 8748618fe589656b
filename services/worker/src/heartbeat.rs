//! The heartbeat: one renewal for everything this worker holds, which also brings back cancellations.

use std::collections::HashSet;
use std::convert::Infallible;

use fail::fail_point;
use futures::StreamExt as _;
use imagioo_proto::jobs::v1::CancelUpstream;
use imagioo_queue::QueueError;
use imagioo_types::GenerationId;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::held::Stop;
use crate::instruments;
use crate::job::Lease;
use crate::leases::{LeaseError, MAX_RENEWALS};
use crate::worker::Worker;

/// Renewals per lease time: one or two may fail.
const BEATS: u32 = 3;

/// Renews for ever, as long as anything is held.
pub(crate) async fn renew(worker: &Worker) -> Infallible {
    let mut last = Instant::now();
    loop {
        let Some(shortest) = worker.held.shortest() else {
            worker.held.grown().await;
            last = Instant::now();
            continue;
        };
        let pause = shortest / BEATS;
        tokio::select! {
            () = tokio::time::sleep_until(last + pause) => {}
            () = worker.held.grown() => continue,
        }
        last = Instant::now();
        for leases in worker.held.leases().chunks(MAX_RENEWALS) {
            fail_point!("worker.renew.before");
            match timeout(pause, beat(worker, leases)).await {
                Ok(Ok(())) => instruments::renewed("renewed"),
                Ok(Err(error)) => missed(leases.len(), Some(&error)),
                Err(_) => missed(leases.len(), None),
            }
        }
    }
}

/// Applies the answer to exactly what was asked about: a newer attempt of the same generation is not meant.
async fn beat(worker: &Worker, leases: &[Lease]) -> Result<(), LeaseError> {
    let renewal = worker.leases.renew(&worker.id, leases).await?;
    let (lost, cancelled): (HashSet<_>, HashSet<_>) =
        (renewal.lost.into_iter().collect(), renewal.cancelled.into_iter().collect());
    for lease in leases {
        if lost.contains(&lease.generation) {
            worker.held.stop(*lease, Stop::Lost);
        } else if cancelled.contains(&lease.generation) {
            worker.held.stop(*lease, Stop::Cancelled);
        }
    }
    Ok(())
}

fn missed(leases: usize, error: Option<&LeaseError>) {
    instruments::renewed("missed");
    let error = error.map(|error| error as &dyn std::error::Error);
    tracing::warn!(leases, error, "leases not renewed");
}

/// Listens to cancellations, which are faster here than with the next renewal, for ever.
///
/// # Errors
/// [`QueueError`] when the queue cannot be listened to.
pub(crate) async fn hear_cancellations(worker: &Worker) -> Result<Infallible, QueueError> {
    let mut backoff = Backoff::endless();
    loop {
        let mut cancellations = worker.queue.listen::<CancelUpstream>().await?;
        while let Some(cancel) = cancellations.next().await {
            match (GenerationId::from_name(&cancel.generation), u32::try_from(cancel.attempt)) {
                (Ok(generation), Ok(attempt)) => worker.held.cancel(generation, attempt),
                _ => tracing::warn!("cancellation without a valid name"),
            }
        }
        tracing::warn!("cancellations ended, listening again");
        backoff.wait().await;
    }
}
