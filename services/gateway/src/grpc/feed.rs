//! Streams whose readers may be slow: one that takes nothing for too long is dropped, and holds up nobody meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{BoxStream, Stream};
use futures::{StreamExt as _, future, stream};
use imagioo_rpc::{Code, RpcError};
use imagioo_runtime::Shutdown;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tonic::Status;

/// Steps that are made before the reader takes them.
const ROOM: usize = 8;

/// The steps as the reader takes them, until they end, the process stops, or the reader takes none for `patience`.
pub(super) fn feed<T: Send + 'static>(
    steps: impl Stream<Item = Result<T, Status>> + Send + 'static,
    patience: Duration,
    shutdown: &Shutdown,
) -> BoxStream<'static, Result<T, Status>> {
    let (sender, mut receiver) = mpsc::channel(ROOM);
    let is_slow = Arc::new(AtomicBool::new(false));
    let (slow, stop) = (Arc::clone(&is_slow), shutdown.clone());
    shutdown.spawn("feed a watcher", async move {
        let mut steps = std::pin::pin!(steps.take_until(async { stop.requested().await }));
        loop {
            let step = tokio::select! {
                () = sender.closed() => return,
                step = steps.next() => step,
            };
            let Some(step) = step else { return };
            match sender.send_timeout(step, patience).await {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(_)) => return slow.store(true, Ordering::Release),
                Err(SendTimeoutError::Closed(_)) => return,
            }
        }
    });
    let taken = stream::poll_fn(move |context| receiver.poll_recv(context));
    let end = stream::once(future::lazy(move |_| {
        let message = "nothing was taken from this stream for too long: watch again from the last cursor";
        is_slow.load(Ordering::Acquire).then(|| Err(RpcError::new(Code::WatchTooSlow, message).into()))
    }));
    taken.chain(end.filter_map(future::ready)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_dropped_and_told_so_when_it_comes_back() {
        let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let steps = stream::repeat_with(move || Ok(counter.fetch_add(1, Ordering::Relaxed)));
        let mut fed = feed(steps, PATIENCE, &Shutdown::new(PATIENCE));
        tokio::time::sleep(PATIENCE * 2).await;
        assert_eq!(made.load(Ordering::Relaxed), ROOM + 1);
        let taken: Vec<_> = fed.by_ref().collect().await;
        assert_eq!(taken.len(), ROOM + 1);
        let error = RpcError::from(taken.into_iter().next_back().expect("an end").expect_err("dropped"));
        assert_eq!(error.code(), Code::WatchTooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_waits_long_for_the_next_step_is_not_dropped() {
        let steps = stream::iter([1, 2]).then(async |step| {
            tokio::time::sleep(PATIENCE * 2).await;
            Ok(step)
        });
        let taken: Vec<_> = feed(steps, PATIENCE, &Shutdown::new(PATIENCE)).collect().await;
        assert_eq!(taken.into_iter().map(|step| step.expect("a step")).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn what_feeds_a_reader_ends_with_the_reader() {
        let (gone, dropped) = tokio::sync::oneshot::channel::<()>();
        let steps = stream::once(async move {
            let _held = gone;
            future::pending::<Result<(), Status>>().await
        });
        drop(feed(steps, PATIENCE, &Shutdown::new(PATIENCE)));
        dropped.await.expect_err("the steps were dropped");
    }
}
