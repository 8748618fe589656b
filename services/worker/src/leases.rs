//! The lease port: how a worker takes jobs, keeps them, and notes what it buys.

mod grpc;

use async_trait::async_trait;
use imagioo_types::GenerationId;

use crate::job::{Job, Lease};
use crate::provider::TaskId;
pub use grpc::GrpcLeases;

/// The gateway's side of a job.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes an attempt; `None` when there is nothing to do. The holder of a lease that stands gets it again.
    ///
    /// # Errors
    /// [`LeaseError`]; asking again is safe.
    async fn start(
        &self,
        worker: &str,
        generation: GenerationId,
        attempt: u32,
    ) -> Result<Option<Job>, LeaseError>;

    /// Renews everything a worker holds, at most [`MAX_RENEWALS`] at once.
    ///
    /// # Errors
    /// [`LeaseError`]; what is held stays held until its time is over.
    async fn renew(&self, worker: &str, leases: &[Lease]) -> Result<Renewal, LeaseError>;

    /// Notes a call durably: the intent (without a task), or that the provider took it.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else holds the attempt: do not make the call.
    async fn record_task(&self, lease: Lease, call: u32, task: Option<&TaskId>) -> Result<(), LeaseError>;
}

/// Most leases of one renewal.
pub const MAX_RENEWALS: usize = 20_000;

/// What became of leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// No longer held.
    pub lost: Vec<GenerationId>,
    /// Cancelled by their owners.
    pub cancelled: Vec<GenerationId>,
}

/// Why the gateway did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds the attempt, or it is over.
    #[error("the lease is lost")]
    Lost,
    /// It cannot be reached, or cannot answer now.
    #[error("the gateway does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its answer makes no sense; asking again would not change that.
    #[error("the gateway's answer makes no sense: {0} is wrong")]
    Malformed(&'static str),
}
