//! The way of this service's messages to the broker.

use imagioo_queue::{BoxError, OutboxRow, OutboxSource};
use sqlx::PgPool;

use crate::db;

/// The table `account.outbox`.
pub(crate) struct Outbox(pub(crate) PgPool);

impl OutboxSource for Outbox {
    const TABLE: &'static str = "account.outbox";

    async fn claim(&self, limit: i64) -> Result<Vec<OutboxRow>, BoxError> {
        let mut connection = self.0.acquire().await?;
        Ok(db::outbox::claim(&mut connection, limit).await?)
    }

    async fn confirm(&self, ids: &[i64]) -> Result<(), BoxError> {
        let mut connection = self.0.acquire().await?;
        Ok(db::outbox::delete(&mut connection, ids).await?)
    }

    async fn size(&self) -> Result<i64, BoxError> {
        let mut connection = self.0.acquire().await?;
        Ok(db::outbox::count(&mut connection).await?)
    }
}
