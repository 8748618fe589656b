//! Rows that arrive while one statement runs share the next.
//!
//! A hot statement handles many rows at once. [`Lanes`] collects rows without waiting for them: a lane runs one batch
//! at a time, and whatever arrived meanwhile is the next batch. At low load a batch has one row and no delay is added;
//! at high load the cost of a commit is shared.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use imagioo_runtime::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

const ROWS: &str = "imagioo_batch_rows";
/// Rows that may wait in one lane before [`Lanes::submit`] waits too.
const BACKLOG: usize = 4_096;

/// The batch that was to answer a row ended without doing so: it panicked, or the process is ending.
/// Whether the row took effect is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch ended without an answer")]
pub struct BatchError;

/// Parallel lanes of batches. Rows with the same key share a lane and so keep their order. Clones share the lanes.
pub struct Lanes<R, A> {
    name: &'static str,
    lanes: Arc<[mpsc::Sender<Waiting<R, A>>]>,
}

impl<R, A> Clone for Lanes<R, A> {
    fn clone(&self) -> Self {
        Self { name: self.name, lanes: Arc::clone(&self.lanes) }
    }
}

struct Waiting<R, A> {
    row: R,
    answer: oneshot::Sender<A>,
}

/// How many lanes there are and how large a batch may be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Batches that may run at the same time.
    pub lanes: usize,
    /// Most rows of one batch.
    pub rows: usize,
}

impl<R, A> Lanes<R, A>
where
    R: Send + 'static,
    A: Send + 'static,
{
    /// Lanes whose batches `run` answers: one answer per row, in the rows' order.
    ///
    /// The lanes end when every clone is dropped and the rows they hold are answered, or at a forced shutdown.
    pub fn new<F, Fut>(name: &'static str, size: Size, shutdown: &Shutdown, run: F) -> Self
    where
        F: Fn(Vec<R>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Vec<A>> + Send + 'static,
    {
        describe();
        let lanes = (0..size.lanes.max(1))
            .map(|_| {
                let (sender, receiver) = mpsc::channel(BACKLOG);
                shutdown.spawn(name, lane(name, size.rows.max(1), receiver, run.clone()));
                sender
            })
            .collect();
        Self { name, lanes }
    }

    /// Adds a row to the next batch of its key's lane and waits for the answer.
    ///
    /// # Errors
    /// [`BatchError`] when the batch ended without one.
    pub async fn submit(&self, key: impl Hash, row: R) -> Result<A, BatchError> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % self.lanes.len() as u64).unwrap_or_default();
        let (answer, answered) = oneshot::channel();
        // The batch itself has many causes; what each of them waited for is part of its own trace.
        let span = tracing::info_span!("batch", otel.name = self.name, batch = self.name);
        async {
            self.lanes[lane].send(Waiting { row, answer }).await.map_err(|_| BatchError)?;
            answered.await.map_err(|_| BatchError)
        }
        .instrument(span)
        .await
    }
}

fn describe() {
    metrics::describe_histogram!(ROWS, metrics::Unit::Count, "rows that shared one statement, by batch");
}

async fn lane<R, A, F, Fut>(
    name: &'static str,
    most: usize,
    mut receiver: mpsc::Receiver<Waiting<R, A>>,
    run: F,
) where
    F: Fn(Vec<R>) -> Fut,
    Fut: Future<Output = Vec<A>>,
{
    let mut waiting = Vec::with_capacity(most);
    while receiver.recv_many(&mut waiting, most).await > 0 {
        let (rows, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|entry| (entry.row, entry.answer)).unzip();
        let expected = rows.len();
        metrics::histogram!(ROWS, "batch" => name).record(expected as f64);
        let results = run(rows).await;
        if results.len() != expected {
            tracing::error!(
                batch = name,
                expected,
                found = results.len(),
                "batch answered another number of rows"
            );
            continue;
        }
        for (sender, result) in answers.into_iter().zip(results) {
            // Nobody waits any more when the caller gave up; the row took effect all the same.
            let _ = sender.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn rows_that_arrive_while_a_batch_runs_share_the_next_in_order() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let gate = Arc::new(Semaphore::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (held, recorded) = (Arc::clone(&gate), Arc::clone(&seen));
        let lanes = Lanes::new("test", Size { lanes: 1, rows: 100 }, &shutdown, move |rows: Vec<u32>| {
            let (gate, seen) = (Arc::clone(&held), Arc::clone(&recorded));
            async move {
                gate.acquire().await.expect("open").forget();
                seen.lock().expect("lock").push(rows.clone());
                rows.into_iter().map(|row| row * 2).collect()
            }
        });
        let opened = async {
            // Every row is submitted when the others have been polled once.
            tokio::task::yield_now().await;
            gate.add_permits(2);
        };
        let submit = |row| lanes.submit("key", row);
        let (one, two, three, four, ()) = tokio::join!(submit(1), submit(2), submit(3), submit(4), opened);
        assert_eq!([one, two, three, four], [Ok(2), Ok(4), Ok(6), Ok(8)]);
        assert_eq!(seen.lock().expect("lock").concat(), [1, 2, 3, 4]);
        assert!(seen.lock().expect("lock").len() <= 2, "rows shared a batch");
    }

    #[tokio::test]
    async fn a_batch_without_answers_is_an_error_and_the_lane_goes_on() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let lanes =
            Lanes::new("test", Size { lanes: 1, rows: 10 }, &shutdown, |rows: Vec<bool>| async move {
                if rows.contains(&false) { Vec::new() } else { rows }
            });
        assert_eq!(lanes.submit(1, false).await, Err(BatchError));
        assert_eq!(lanes.submit(1, true).await, Ok(true));
    }
}
