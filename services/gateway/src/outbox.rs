//! The gateway's outbox as the relay sees it.

use imagioo_queue::{BoxError, Message, OutboxRow, OutboxSource};
use sqlx::PgPool;

use crate::db;

/// `generation.outbox`.
pub(crate) struct Outbox(pub(crate) PgPool);

impl OutboxSource for Outbox {
    const TABLE: &'static str = "generation.outbox";

    async fn claim(&self, limit: i64) -> Result<Vec<OutboxRow>, BoxError> {
        let rows = db::outbox::claim(&mut *self.0.acquire().await?, limit).await?;
        let message = |row: db::outbox::Row| OutboxRow {
            id: row.id,
            message: Message { id: row.message_id, name: row.name, body: row.body.into(), trace: row.trace },
        };
        Ok(rows.into_iter().map(message).collect())
    }

    async fn confirm(&self, ids: &[i64]) -> Result<(), BoxError> {
        Ok(db::outbox::confirm(&mut *self.0.acquire().await?, ids).await?)
    }

    async fn size(&self) -> Result<i64, BoxError> {
        Ok(db::outbox::count(&mut *self.0.acquire().await?).await?)
    }
}
