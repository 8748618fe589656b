//! Who is watching which generation on this replica, and what they are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use imagioo_types::GenerationId;
use tokio::sync::broadcast;

/// Signals a slow watcher may fall behind before it skips some; rows are re-read, so none is needed for truth.
const BEHIND: usize = 32;

/// Something a watcher may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The row changed: read it again.
    Changed,
    /// The running attempt came further.
    Progress(Progress),
    /// A picture of an unfinished image.
    Preview(Preview),
}

/// How far a running attempt has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
    pub(crate) stage: String,
    pub(crate) percent: i32,
}

/// A picture of an unfinished image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    pub(crate) index: i32,
    pub(crate) format: i32,
    pub(crate) data: Bytes,
}

/// The watchers of this replica. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<HashMap<GenerationId, broadcast::Sender<Signal>>>>);

impl Watchers {
    /// Follows one generation until the subscription is dropped.
    pub(crate) fn follow(&self, id: GenerationId) -> Subscription {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = watched.entry(id).or_insert_with(|| broadcast::channel(BEHIND).0);
        Subscription { id, signals: Some(sender.subscribe()), watchers: self.clone() }
    }

    /// Tells everybody who follows the generation.
    pub(crate) fn tell(&self, id: GenerationId, signal: Signal) {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(&id) {
            // Nobody listens between the last drop and its clean-up: nothing is lost.
            let _ = sender.send(signal);
        }
    }

    fn forget_if_unwatched(&self, id: GenerationId) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.get(&id).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.remove(&id);
        }
    }
}

/// One watcher's place.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: GenerationId,
    signals: Option<broadcast::Receiver<Signal>>,
    watchers: Watchers,
}

impl Subscription {
    /// The next signal. A watcher that fell behind is told that the row changed.
    pub(crate) async fn next(&mut self) -> Signal {
        let Some(signals) = &mut self.signals else { return std::future::pending().await };
        match signals.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(_)) => Signal::Changed,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.signals = None;
        self.watchers.forget_if_unwatched(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_its_generation_only_and_leaves_nothing_behind() {
        let watchers = Watchers::default();
        let (mine, other) = (GenerationId::generate(), GenerationId::generate());
        let mut subscription = watchers.follow(mine);
        let progress = Progress { attempt: 1, epoch: 1, stage: "generating".to_owned(), percent: 40 };
        watchers.tell(other, Signal::Changed);
        watchers.tell(mine, Signal::Progress(progress.clone()));
        assert_eq!(subscription.next().await, Signal::Progress(progress));
        drop(subscription);
        assert!(watchers.0.lock().expect("lock").is_empty());
    }

    #[tokio::test]
    async fn a_watcher_that_fell_behind_is_told_to_read_again() {
        let watchers = Watchers::default();
        let id = GenerationId::generate();
        let mut subscription = watchers.follow(id);
        let preview = Preview { index: 0, format: 1, data: Bytes::new() };
        for _ in 0..=BEHIND {
            watchers.tell(id, Signal::Preview(preview.clone()));
        }
        assert_eq!(subscription.next().await, Signal::Changed);
    }
}
