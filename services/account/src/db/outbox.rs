//! Messages that wait for the broker's confirmation.

use imagioo_queue::{CLAIM_SECONDS, Message, OutboxRow};
use sqlx::PgConnection;

/// Leaves a message in the outbox of this transaction.
pub(crate) async fn insert(connection: &mut PgConnection, message: &Message) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into account.outbox (message_id, name, body, trace) values ($1, $2, $3, $4)",
        message.id,
        message.name,
        message.body.as_ref(),
        message.trace,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Claims up to `limit` rows, oldest first, that nobody has claimed.
pub(crate) async fn claim(connection: &mut PgConnection, limit: i64) -> Result<Vec<OutboxRow>, sqlx::Error> {
    let rows = sqlx::query!(
        "update account.outbox set claimed_until = account.clock_now() + make_interval(secs => $2)
         where id in (
             select id from account.outbox
             where claimed_until is null or claimed_until < account.clock_now()
             order by id limit $1 for update skip locked
         )
         returning id, message_id, name, body, trace",
        limit,
        CLAIM_SECONDS,
    )
    .fetch_all(connection)
    .await?;
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let message =
                Message { id: row.message_id, name: row.name, body: row.body.into(), trace: row.trace };
            OutboxRow { id: row.id, message }
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}

/// Forgets messages that are confirmed.
pub(crate) async fn delete(connection: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from account.outbox where id = any($1)", ids).execute(connection).await?;
    Ok(())
}

/// How many messages wait.
pub(crate) async fn count(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from account.outbox"#).fetch_one(connection).await
}
