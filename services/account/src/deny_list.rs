//! The deny list of this process: one task reads the table, every watcher reads the task.
//!
//! Each successful look at the table is a beat. A watcher is told what the beat brought and that the list is current;
//! while the table cannot be read there is no beat, watchers hear nothing, and other services notice the silence.

use std::sync::Arc;
use std::time::Duration;

use imagioo_rpc::{Revocation, Revocations, Subject};
use imagioo_runtime::Shutdown;
use imagioo_types::UserId;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::app::App;
use crate::db;
use crate::db::revocations::RevocationRow;
use crate::errors::AccountError;

/// An entry and its place in the order of commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) sequence: i64,
    pub(crate) revocation: Revocation,
    forget_at: Instant,
}

/// The list as of the newest beat, in the order of sequences; nothing before the first beat.
pub(crate) type Known = Option<Arc<[Entry]>>;

/// Reads the table until shutdown, at least every `every` and whenever `wake` is notified. Feeds the watchers, and the
/// list that this process itself checks callers against.
pub(crate) struct Reader {
    pub(crate) pool: PgPool,
    pub(crate) own: Revocations,
    pub(crate) wake: Arc<Notify>,
    pub(crate) every: Duration,
}

impl Reader {
    /// Runs until the soft shutdown; then the watchers' streams end.
    pub(crate) async fn run(self, watchers: watch::Sender<Known>, shutdown: Shutdown) {
        loop {
            let known = watchers.borrow().clone();
            match self.look(known).await {
                Ok(known) => {
                    watchers.send_replace(Some(known));
                }
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "deny list not read"),
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    async fn look(&self, known: Known) -> Result<Arc<[Entry]>, sqlx::Error> {
        let first = known.is_none();
        let known = known.unwrap_or_default();
        let last = known.last().map_or(0, |entry| entry.sequence);
        let mut connection = self.pool.acquire().await?;
        let found = db::revocations::after(&mut connection, last).await?;
        let now = Instant::now();
        let over = known.iter().take_while(|entry| entry.forget_at <= now).count();
        // The newest entry stays, because it says where to go on.
        let over = over.min(known.len().saturating_sub(1));
        if !first && found.is_empty() && over == 0 {
            self.own.touch();
            return Ok(known);
        }
        let new = found.into_iter().map(|row| Entry::read(&row, now));
        let known: Arc<[Entry]> = known[over..].iter().copied().chain(new).collect();
        self.own.replace(known.iter().map(|entry| entry.revocation));
        Ok(known)
    }
}

impl Entry {
    fn read(row: &RevocationRow, now: Instant) -> Self {
        Self { sequence: row.sequence, revocation: row.revocation, forget_at: now + row.remaining }
    }
}

/// Puts a credential on the list, as the last statement of the caller's transaction. Tell `app.revoked` after the commit.
///
/// # Errors
/// [`AccountError::Database`].
pub(crate) async fn add(
    app: &App,
    connection: &mut PgConnection,
    owner: UserId,
    subject: Subject,
) -> Result<(), AccountError> {
    Ok(db::revocations::insert(connection, owner, subject, app.issuer.longest_use()).await?)
}
