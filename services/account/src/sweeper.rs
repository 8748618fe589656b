//! Deletes what is no longer needed.

use std::time::Duration;

use imagioo_runtime::Shutdown;
use sqlx::PgPool;

use crate::config::Config;
use crate::db;
use crate::instruments;

/// Rows deleted by one statement.
const BATCH: i64 = 1_000;

/// What to delete and when.
pub(crate) struct Sweeper {
    pool: PgPool,
    every: Duration,
    keep_sessions_days: u32,
    forget_attempts: Duration,
}

impl Sweeper {
    pub(crate) fn new(pool: PgPool, config: &Config) -> Self {
        Self {
            pool,
            every: Duration::from_secs(config.sweeper.every_seconds),
            keep_sessions_days: config.sweeper.keep_ended_sessions_days,
            forget_attempts: config.sign_in.forget(),
        }
    }

    /// Sweeps until the soft shutdown. Several replicas may: deleting twice deletes once.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                swept = self.sweep() => if let Err(error) = swept {
                    tracing::warn!(error = &error as &dyn std::error::Error, "sweep failed, repeated later");
                }
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), sqlx::Error> {
        loop {
            let mut connection = self.pool.acquire().await?;
            let sessions = db::sessions::sweep(&mut connection, self.keep_sessions_days, BATCH).await?;
            let attempts = db::sign_in_attempts::sweep(&mut connection, self.forget_attempts, BATCH).await?;
            let revocations = db::revocations::sweep(&mut connection, BATCH).await?;
            for (table, count) in
                [("sessions", sessions), ("sign_in_attempts", attempts), ("revocations", revocations)]
            {
                instruments::swept(table, count);
            }
            if sessions.max(attempts).max(revocations) < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
