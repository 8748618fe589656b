//! Books credits that expired, for owners who do nothing themselves.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use imagioo_runtime::Shutdown;
use imagioo_types::{Credits, UserId};
use sqlx::PgPool;

use super::{CONCURRENCY, PAGE, another_round};
use crate::bookkeeper::Bookkeeper;
use crate::db::buckets;
use crate::error::BillingError;
use crate::instruments;
use crate::ledger::Refusal;

/// Books expired credits. Any number may run at the same time: each expiry is booked once.
pub struct ExpirySweeper {
    pool: PgPool,
    bookkeeper: Bookkeeper,
}

impl ExpirySweeper {
    /// A sweeper of this ledger.
    #[must_use]
    pub const fn new(pool: PgPool, bookkeeper: Bookkeeper) -> Self {
        Self { pool, bookkeeper }
    }

    /// Sweeps at once and then regularly until the shutdown.
    pub(crate) async fn run(self, every: Duration, shutdown: Shutdown) {
        loop {
            match self.sweep().await {
                Ok(Credits::ZERO) => {}
                Ok(credits) => tracing::info!(%credits, "expired credits booked"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "expiry sweep failed"),
            }
            if !another_round(every, &shutdown).await {
                return;
            }
        }
    }

    /// Books everything that has expired by now, and says how many credits this round booked. An owner whose expiry
    /// cannot be booked is reported and does not hold up the others.
    ///
    /// # Errors
    /// The database is unreachable; what was booked stays booked.
    pub async fn sweep(&self) -> Result<Credits, BillingError> {
        let mut total = Credits::ZERO;
        loop {
            let owners = {
                let mut connection = self.pool.acquire().await?;
                buckets::owners_to_expire(&mut connection, PAGE).await?
            };
            let last_page = i64::try_from(owners.len()).is_ok_and(|count| count < PAGE);
            let booked = self.book(owners).await?;
            total = total.add(booked).map_err(Refusal::from)?;
            if last_page || booked == Credits::ZERO {
                instruments::expired(total.get().unsigned_abs());
                return Ok(total);
            }
        }
    }

    async fn book(&self, owners: Vec<UserId>) -> Result<Credits, BillingError> {
        let mut total = Credits::ZERO;
        let mut outcomes =
            stream::iter(owners).map(|owner| self.bookkeeper.expire(owner)).buffer_unordered(CONCURRENCY);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(credits) => total = total.add(credits).map_err(Refusal::from)?,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "expiry cannot be booked")
                }
            }
        }
        Ok(total)
    }
}
