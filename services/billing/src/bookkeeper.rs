//! The one writer of the ledger: operations that arrive while a statement runs share the next one.
//!
//! A batch is read in one snapshot, planned by the pure [ledger](crate::ledger) in the order of arrival, and written by
//! one statement that changes only the wallets nobody else changed meanwhile; the others are read and planned again.
//! No lock is held across a round trip.

mod batch;
mod plan;

use imagioo_batch::{Lanes, Size};
use imagioo_runtime::{Shutdown, database};
use imagioo_types::{Credits, GenerationId, UserId};
use sqlx::PgPool;
use tracing::Instrument as _;

use crate::error::BillingError;
use crate::instruments;
use crate::ledger::{Answer, Grant, Held, HoldRequest, Operation, Resolution, WriteOff};
use batch::{Batch, Order, Verdict};

/// Carries out operations on wallets. Repeating one is safe and gives the first answer. Clones share the work.
#[derive(Clone)]
pub struct Bookkeeper {
    lanes: Lanes<Order, Verdict>,
}

impl Bookkeeper {
    /// A bookkeeper who works in `size.lanes` statements at a time until the shutdown is forced, each on a connection
    /// of its own to the database of `pool`.
    #[must_use]
    pub fn new(pool: &PgPool, size: Size, shutdown: &Shutdown) -> Self {
        let pool = database::planned_once(pool, size.lanes);
        let work = move |orders| {
            let batch = Batch::new(pool.clone(), orders);
            async move { batch.carry_out().await }
        };
        Self { lanes: Lanes::new("ledger", size, shutdown, work) }
    }

    /// Gives credits; false when an earlier grant had the same natural key.
    ///
    /// # Errors
    /// [`BillingError::Refused`] for an amount that is not positive or does not fit; else the ledger is unreachable.
    pub async fn grant(&self, owner: UserId, grant: Grant) -> Result<bool, BillingError> {
        match self.submit(owner, Operation::Grant(grant)).await? {
            Answer::Granted(first) => Ok(first),
            _ => Err(BillingError::CrossedAnswer),
        }
    }

    /// Sets credits aside.
    ///
    /// # Errors
    /// [`BillingError::Refused`] with the reason; else the ledger is unreachable.
    pub async fn hold(&self, owner: UserId, request: HoldRequest) -> Result<Held, BillingError> {
        match self.submit(owner, Operation::Hold(request)).await? {
            Answer::Held(held) => Ok(held),
            _ => Err(BillingError::CrossedAnswer),
        }
    }

    /// Spends held credits and gives the remainder back.
    ///
    /// # Errors
    /// [`BillingError::Refused`] with the reason; else the ledger is unreachable.
    pub async fn capture(
        &self,
        owner: UserId,
        generation: GenerationId,
        amount: Credits,
    ) -> Result<Resolution, BillingError> {
        self.resolve(owner, Operation::Capture { generation, amount }).await
    }

    /// Gives all held credits back.
    ///
    /// # Errors
    /// [`BillingError::Refused`] with the reason; else the ledger is unreachable.
    pub async fn release(&self, owner: UserId, generation: GenerationId) -> Result<Resolution, BillingError> {
        self.resolve(owner, Operation::Release { generation }).await
    }

    /// Charges the house for delivered images; false when it was charged for this generation before.
    ///
    /// # Errors
    /// [`BillingError::Refused`] while the generation has an open hold; else the ledger is unreachable.
    pub async fn write_off(&self, owner: UserId, write_off: WriteOff) -> Result<bool, BillingError> {
        match self.submit(owner, Operation::WriteOff(write_off)).await? {
            Answer::WrittenOff(first) => Ok(first),
            _ => Err(BillingError::CrossedAnswer),
        }
    }

    /// Books what expired, and says how much that was.
    ///
    /// # Errors
    /// The ledger is unreachable.
    pub async fn expire(&self, owner: UserId) -> Result<Credits, BillingError> {
        match self.submit(owner, Operation::Expire).await? {
            Answer::Expired(credits) => Ok(credits),
            _ => Err(BillingError::CrossedAnswer),
        }
    }

    async fn resolve(&self, owner: UserId, operation: Operation) -> Result<Resolution, BillingError> {
        match self.submit(owner, operation).await? {
            Answer::Resolved(resolution) => Ok(resolution),
            _ => Err(BillingError::CrossedAnswer),
        }
    }

    async fn submit(&self, owner: UserId, operation: Operation) -> Verdict {
        let kind = operation.kind();
        let span = tracing::info_span!("ledger", otel.name = format!("ledger {kind}"), operation = kind);
        let verdict = self.lanes.submit(owner, Order { owner, operation }).instrument(span).await;
        let verdict = verdict.unwrap_or_else(|unanswered| Err(unanswered.into()));
        let outcome = match &verdict {
            Ok(_) => "done",
            Err(BillingError::Refused(_)) => "refused",
            Err(_) => "failed",
        };
        instruments::operation(kind, outcome);
        verdict
    }
}
