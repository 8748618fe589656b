//! `generation.webhook_attempts`: every request that was made.

use imagioo_types::{EventId, UserId, WebhookEndpointId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::webhooks::delivery::{Attempt, Delivery, DeliveryId};

/// Lets the statements of a transaction see one instant: a delivery and its attempts then fit together. Comes first.
pub(crate) async fn see_one_instant(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set transaction isolation level repeatable read").execute(conn).await?;
    Ok(())
}

/// Writes down a request.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    delivery: &Delivery,
    attempt: &Attempt,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.webhook_attempts
               (endpoint, event, number, owner, started_at, duration_ms, status, error)
           values ($1, $2, $3, $4, $5, $6, $7, $8)"#,
        delivery.id.endpoint.uuid(),
        delivery.id.event.uuid(),
        attempt.number,
        delivery.owner.uuid(),
        attempt.started_at,
        attempt.duration_ms,
        attempt.status,
        attempt.error,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The latest requests of a delivery, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    id: DeliveryId,
    limit: i64,
) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        r#"select event as "event: EventId", number, started_at, duration_ms, status, error
           from generation.webhook_attempts
           where endpoint = $1 and event = $2 order by number desc limit $3"#,
        id.endpoint.uuid(),
        id.event.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The latest request of each of these deliveries to the owner's endpoint.
pub(crate) async fn list_latest(
    conn: &mut PgConnection,
    (owner, endpoint): (UserId, WebhookEndpointId),
    events: &[Uuid],
) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        r#"select distinct on (event) event as "event: EventId", number, started_at, duration_ms, status, error
           from generation.webhook_attempts
           where endpoint = $1 and owner = $2 and event = any($3) order by event, number desc"#,
        endpoint.uuid(),
        owner.uuid(),
        events,
    )
    .fetch_all(conn)
    .await
}
