//! Resolves holds that nobody settled, by asking the gateway what became of their generations.

use std::time::Duration;

use fail::fail_point;
use futures::StreamExt as _;
use futures::stream;
use imagioo_runtime::Shutdown;
use imagioo_types::Credits;
use sqlx::PgPool;

use super::{CONCURRENCY, PAGE, another_round};
use crate::bookkeeper::Bookkeeper;
use crate::db::holds::{self, Overdue};
use crate::error::BillingError;
use crate::grpc::{Fate, Gateway};
use crate::instruments;
use crate::settlement;

/// Resolves old holds. No hold ends by time alone: the gateway decides. Any number may run at the same time.
pub struct HoldSweeper {
    pool: PgPool,
    bookkeeper: Bookkeeper,
    gateway: Gateway,
    ask_again: Duration,
}

impl HoldSweeper {
    /// A sweeper that asks about the same hold not more often than every `ask_again`.
    #[must_use]
    pub const fn new(pool: PgPool, bookkeeper: Bookkeeper, gateway: Gateway, ask_again: Duration) -> Self {
        Self { pool, bookkeeper, gateway, ask_again }
    }

    /// Sweeps at once and then regularly until the shutdown.
    pub(crate) async fn run(self, every: Duration, shutdown: Shutdown) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(resolved) => tracing::info!(resolved, "old holds resolved"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "hold sweep failed"),
            }
            if !another_round(every, &shutdown).await {
                return;
            }
        }
    }

    /// Asks about every hold past its time, and says how many are resolved now. Holds of living generations, and
    /// those about which the gateway gave no answer, wait for their next time.
    ///
    /// # Errors
    /// The ledger is unreachable; what was resolved stays resolved.
    pub async fn sweep(&self) -> Result<usize, BillingError> {
        let mut resolved = 0;
        loop {
            let overdue = {
                let mut connection = self.pool.acquire().await?;
                holds::claim_overdue(&mut connection, PAGE, self.ask_again).await?
            };
            let last_page = i64::try_from(overdue.len()).is_ok_and(|count| count < PAGE);
            let outcomes = stream::iter(overdue).map(|hold| self.resolve(hold)).buffer_unordered(CONCURRENCY);
            resolved += outcomes.filter(|done| std::future::ready(*done)).count().await;
            if last_page {
                return Ok(resolved);
            }
        }
    }

    async fn resolve(&self, hold: Overdue) -> bool {
        let Overdue { generation, owner } = hold;
        fail_point!("billing.sweep.after_claim");
        let (charge, answer) = match self.gateway.resolve_hold(generation, owner).await {
            Ok(Fate::Settled(charge)) => (charge, "settled"),
            Ok(Fate::Unknown) => (Credits::ZERO, "unknown"),
            Ok(Fate::Alive) => {
                fail_point!("billing.sweep.after_answer");
                instruments::hold_asked("alive");
                return false;
            }
            Err(error) => {
                tracing::warn!(%generation, error = &error as &dyn std::error::Error, "gateway gave no answer about a hold");
                instruments::hold_asked("none");
                return false;
            }
        };
        instruments::hold_asked(answer);
        let settled = settlement::settle(&self.bookkeeper, owner, generation, charge).await;
        if let Err(error) = &settled {
            tracing::error!(%generation, error = error as &dyn std::error::Error, "old hold cannot be settled");
        }
        settled.is_ok()
    }
}
