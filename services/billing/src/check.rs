//! What an operator wants to see at zero.

use sqlx::PgPool;

use crate::db::{conservation, holds};

/// Counts over the whole ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Holds neither captured nor released.
    pub open_holds: i64,
    /// Rows that break a law of the ledger.
    pub violations: i64,
}

/// Counts, each in one snapshot of the database.
///
/// # Errors
/// The database is unreachable.
pub async fn run(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    Ok(Check {
        open_holds: holds::count_open(&mut connection).await?,
        violations: conservation::count_violations(&mut connection).await?,
    })
}
