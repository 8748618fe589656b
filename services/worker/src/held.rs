//! What this worker holds: every running attempt, and how it learns that it must stop.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imagioo_types::GenerationId;
use tokio::sync::{Notify, watch};

use crate::instruments;
use crate::job::Lease;

/// Attempts that are remembered, so that a late second hint does not run one again under the same lease: it would know
/// nothing of what the first one bought.
const REMEMBERED: usize = 10_000;

/// Why an attempt must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Its owner cancelled it: keep and announce what was delivered.
    Cancelled,
    /// It is somebody else's now: say nothing.
    Lost,
}

/// The attempts of one worker. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<Lease, Entry>,
    taken: HashSet<Lease>,
    order: VecDeque<Lease>,
}

#[derive(Debug)]
struct Entry {
    stop: watch::Sender<Option<Stop>>,
    lease_time: Duration,
}

/// The possession of one running attempt; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Holding {
    held: Held,
    lease: Lease,
    stop: watch::Receiver<Option<Stop>>,
}

impl Held {
    /// Registers an attempt; `None` when it runs here, or ran: a job that broke off is taken over under the next epoch.
    pub(crate) fn take(&self, lease: Lease, lease_time: Duration) -> Option<Holding> {
        let (sender, stop) = watch::channel(None);
        let mut state = self.state();
        if !state.taken.insert(lease) {
            return None;
        }
        state.order.push_back(lease);
        if state.order.len() > REMEMBERED
            && let Some(oldest) = state.order.pop_front()
        {
            state.taken.remove(&oldest);
        }
        state.running.insert(lease, Entry { stop: sender, lease_time });
        instruments::running(state.running.len());
        self.0.grown.notify_one();
        Some(Holding { held: self.clone(), lease, stop })
    }

    /// Everything that runs.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.state().running.keys().copied().collect()
    }

    /// The shortest lease of all; `None` when nothing runs.
    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.state().running.values().map(|entry| entry.lease_time).min()
    }

    /// Waits until something was taken.
    pub(crate) async fn grown(&self) {
        self.0.grown.notified().await;
    }

    /// Stops one attempt.
    pub(crate) fn stop(&self, lease: Lease, why: Stop) {
        if let Some(entry) = self.state().running.get(&lease) {
            entry.stop.send_modify(|stop| *stop = (*stop).max(Some(why)));
        }
    }

    /// Cancels an attempt under whatever epoch it runs.
    pub(crate) fn cancel(&self, generation: GenerationId, attempt: u32) {
        let is_meant = |lease: &Lease| lease.generation == generation && lease.attempt == attempt;
        self.leases().into_iter().filter(is_meant).for_each(|lease| self.stop(lease, Stop::Cancelled));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Waits until the owner cancelled.
    pub(crate) async fn cancelled(&self) {
        self.told(Stop::Cancelled).await;
    }

    /// Waits until the lease was lost.
    pub(crate) async fn lost(&self) {
        self.told(Stop::Lost).await;
    }

    /// Notes that the gateway refused this lease.
    pub(crate) fn lose(&self) {
        self.held.stop(self.lease, Stop::Lost);
    }

    async fn told(&self, why: Stop) {
        let mut stop = self.stop.clone();
        // The sender lives as long as this possession.
        if stop.wait_for(|stop| *stop == Some(why)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut state = self.held.state();
        state.running.remove(&self.lease);
        instruments::running(state.running.len());
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const LEASE_TIME: Duration = Duration::from_secs(30);

    fn lease(epoch: u64) -> Lease {
        Lease { generation: GenerationId::generate(), attempt: 1, epoch }
    }

    #[test]
    fn an_attempt_is_taken_once_under_one_lease_however_it_ended() {
        let (held, lease) = (Held::default(), lease(1));
        let holding = held.take(lease, LEASE_TIME).expect("free");
        assert!(held.take(lease, LEASE_TIME).is_none());
        drop(holding);
        assert!(held.leases().is_empty());
        assert!(held.take(lease, LEASE_TIME).is_none());
        assert!(held.take(Lease { epoch: 2, ..lease }, LEASE_TIME).is_some());
    }

    #[test]
    fn a_cancellation_reaches_its_attempt_only_and_a_loss_outranks_it() {
        let (held, lease) = (Held::default(), lease(1));
        let holding = held.take(lease, LEASE_TIME).expect("free");
        held.cancel(lease.generation, 2);
        assert!(holding.cancelled().now_or_never().is_none());
        held.cancel(lease.generation, 1);
        assert!(holding.cancelled().now_or_never().is_some());
        held.stop(lease, Stop::Lost);
        held.stop(lease, Stop::Cancelled);
        assert!(holding.lost().now_or_never().is_some());
        assert!(holding.cancelled().now_or_never().is_none());
    }

    #[test]
    fn only_the_latest_attempts_are_remembered() {
        let (held, first) = (Held::default(), lease(1));
        drop(held.take(first, LEASE_TIME));
        for _ in 0..REMEMBERED {
            drop(held.take(lease(1), LEASE_TIME));
        }
        assert!(held.take(first, LEASE_TIME).is_some());
        assert_eq!(held.state().taken.len(), REMEMBERED);
    }
}
