//! A gateway that hands out prepared jobs and remembers what it was told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use imagioo_types::GenerationId;
use imagioo_worker::job::{Job, Lease};
use imagioo_worker::leases::{LeaseError, Leases, Renewal};
use imagioo_worker::provider::TaskId;
use tokio::sync::Notify;

/// The other end of the lease port.
#[derive(Default)]
pub struct FakeGateway {
    state: Mutex<State>,
    renewed: Notify,
}

/// What the gateway knows.
#[derive(Default)]
pub struct State {
    /// Jobs by generation; none left means STOP.
    pub jobs: HashMap<GenerationId, Job>,
    /// How often a start was asked for.
    pub starts: usize,
    /// Starts that fail before one succeeds.
    pub failing_starts: usize,
    /// Answers to come of the next renewals.
    pub lost: Vec<GenerationId>,
    /// The same for cancellations.
    pub cancelled: Vec<GenerationId>,
    /// Leases of each renewal.
    pub renewals: Vec<Vec<Lease>>,
    /// Notes in their order; `None` is an intent.
    pub notes: Vec<(u32, Option<String>)>,
    /// What becomes of notes.
    pub note_fate: NoteFate,
}

/// What becomes of notes.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum NoteFate {
    /// They are kept.
    #[default]
    Kept,
    /// Somebody else holds the lease.
    LeaseLost,
    /// Nobody answers.
    Unreachable,
}

impl FakeGateway {
    /// A look at, or a change of, what the gateway knows.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside")
    }

    /// Waits until so many renewals were asked for.
    pub async fn renewals(&self, count: usize) {
        loop {
            let renewed = self.renewed.notified();
            if self.state().renewals.len() >= count {
                return;
            }
            renewed.await;
        }
    }
}

#[async_trait]
impl Leases for FakeGateway {
    async fn start(
        &self,
        _worker: &str,
        generation: GenerationId,
        attempt: u32,
    ) -> Result<Option<Job>, LeaseError> {
        let mut state = self.state();
        state.starts += 1;
        if state.failing_starts > 0 {
            state.failing_starts -= 1;
            return Err(LeaseError::Unavailable("no gateway".into()));
        }
        Ok(state.jobs.get(&generation).filter(|job| job.lease.attempt == attempt).cloned())
    }

    async fn renew(&self, _worker: &str, leases: &[Lease]) -> Result<Renewal, LeaseError> {
        let mut state = self.state();
        state.renewals.push(leases.to_vec());
        self.renewed.notify_waiters();
        Ok(Renewal { lost: state.lost.clone(), cancelled: state.cancelled.clone() })
    }

    async fn record_task(&self, _lease: Lease, call: u32, task: Option<&TaskId>) -> Result<(), LeaseError> {
        let mut state = self.state();
        match state.note_fate {
            NoteFate::Kept => {
                state.notes.push((call, task.map(|task| task.0.clone())));
                Ok(())
            }
            NoteFate::LeaseLost => Err(LeaseError::Lost),
            NoteFate::Unreachable => Err(LeaseError::Unavailable("no gateway".into())),
        }
    }
}
