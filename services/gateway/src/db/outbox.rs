//! `generation.outbox`: messages that are as durable as the change they tell of.

use imagioo_queue::CLAIM_SECONDS;
use sqlx::PgConnection;
use uuid::Uuid;

/// A message that waits for the broker's confirmation.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) message_id: Uuid,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trace: Option<String>,
}

/// Takes up to `limit` messages, oldest first, that no relay has claimed.
pub(crate) async fn claim(conn: &mut PgConnection, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"update generation.outbox o
           set claimed_until = generation.clock_now() + make_interval(secs => $2)
           from (
               select id from generation.outbox
               where claimed_until is null or claimed_until < generation.clock_now()
               order by id limit $1 for update skip locked
           ) next
           where o.id = next.id
           returning o.id, o.message_id, o.name, o.body, o.trace"#,
        limit,
        CLAIM_SECONDS,
    )
    .fetch_all(conn)
    .await
}

/// Forgets messages that the broker has confirmed.
pub(crate) async fn confirm(conn: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from generation.outbox where id = any($1)", ids).execute(conn).await?;
    Ok(())
}

/// Messages that wait.
pub(crate) async fn count(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from generation.outbox"#).fetch_one(conn).await
}
