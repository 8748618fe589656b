//! The loop around a subscription: so many at once, a span each, a decision each, a clean end.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use imagioo_runtime::Shutdown;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    delivery::{Deliveries, Delivery},
    message::Payload,
};

/// Shortest and longest wait before a repeated delivery. Doubling between them, the allowed deliveries span
/// about half an hour: longer than a database needs to come back, short enough that a person hears of it.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Its effect is durable, now or since an earlier delivery.
    Done,
    /// Something else stands in the way and may be gone later. Waits for the longer of `after` and the loop's
    /// own backoff, which grows with the attempts.
    Retry {
        /// The least time to wait.
        after: Duration,
    },
    /// Repeating cannot help.
    GiveUp {
        /// For operators; never what a user wrote.
        reason: String,
    },
}

/// A decoded message as a handler receives it.
#[derive(Debug, Clone)]
pub struct Received<P> {
    /// Identity of the message, the same at every delivery.
    pub id: Uuid,
    /// 1 for the first delivery.
    pub attempt: u32,
    /// What it says.
    pub payload: P,
}

/// Consumes until the shutdown is requested: takes a message only when one of `concurrency` (at least 1)
/// places is free, runs `handler` inside the delivery's span, and does what it decides. A panic counts as a
/// retry, a body that is not a `P` is given up. After the request nothing more is taken and running handlers
/// may finish; when the shutdown is forced they are dropped, and their messages return to the queue.
pub async fn run<P, H, F>(mut deliveries: Deliveries, concurrency: usize, shutdown: Shutdown, handler: H)
where
    P: Payload,
    H: Fn(Received<P>) -> F + Send + Sync + 'static,
    F: Future<Output = Decision> + Send + 'static,
{
    let handler = Arc::new(handler);
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break,
            Some(_) = running.join_next() => {}
            delivery = deliveries.next(), if running.len() < concurrency.max(1) => match delivery {
                Some(delivery) => {
                    let span = delivery.span();
                    running.spawn(handle::<P, H, F>(delivery, Arc::clone(&handler)).instrument(span));
                }
                None => break,
            },
        }
    }
    // What was sent ahead goes to other consumers now, not when the last handler is done.
    drop(deliveries);
    tokio::select! {
        () = async { while running.join_next().await.is_some() {} } => return,
        () = shutdown.forced() => {}
    }
    running.shutdown().await;
}

async fn handle<P, H, F>(delivery: Delivery, handler: Arc<H>)
where
    P: Payload,
    H: Fn(Received<P>) -> F,
    F: Future<Output = Decision>,
{
    let payload = match delivery.decode::<P>() {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "message is not what its queue carries"
            );
            return delivery.dead_letter("the body is not the message this queue carries").await;
        }
    };
    let (id, attempt) = (delivery.message().id, delivery.attempt());
    let work = async { handler(Received { id, attempt, payload }).await };
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Decision::Done) => delivery.ack().await,
        Ok(Decision::Retry { after }) => {
            delivery.retry_because(after.max(backoff(attempt)), "the handler kept asking for a retry").await;
        }
        Ok(Decision::GiveUp { reason }) => delivery.dead_letter(&reason).await,
        // The panic itself is reported by the process's hook; it may quote data, so the dead letter does not.
        Err(_) => delivery.retry_because(backoff(attempt), "the handler panicked").await,
    }
}

/// Doubles with each attempt, between half and all of it at random so that failures do not march in step.
fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let full = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::DELIVERY_LIMIT;

    #[test]
    fn the_backoff_grows_to_its_limit() {
        assert!(backoff(1) <= FIRST_BACKOFF);
        assert!(backoff(1) >= FIRST_BACKOFF / 2);
        assert!((1..=u32::MAX).step_by(100_000_000).all(|attempt| backoff(attempt) <= LONGEST_BACKOFF));
        assert!(backoff(40) >= LONGEST_BACKOFF / 2);
    }

    #[test]
    fn the_allowed_deliveries_outlast_an_outage_of_a_quarter_of_an_hour() {
        let total: Duration = (1..DELIVERY_LIMIT).map(backoff).sum();
        assert!(total > Duration::from_mins(15), "{total:?}");
    }
}
