//! `generation.webhook_secrets`: what signs, sealed.

use imagioo_types::WebhookEndpointId;
use sqlx::PgConnection;
use time::Duration;

/// Adds the first secret of an endpoint.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
    sealed: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into generation.webhook_secrets (endpoint, current, sealed) values ($1, true, $2)",
        endpoint.uuid(),
        sealed,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The secret of an endpoint that is not older than `age` and has had no other one.
pub(crate) async fn first(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
    age: Duration,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select s.sealed from generation.webhook_secrets s
           join generation.webhook_endpoints e on e.id = s.endpoint
           where s.endpoint = $1 and s.current and e.old_secret_until is null
                 and e.created_at >= generation.clock_now() - make_interval(secs => $2)"#,
        endpoint.uuid(),
        age.as_seconds_f64(),
    )
    .fetch_optional(conn)
    .await
}

/// Makes this the current secret and keeps the one before it. At most two exist.
pub(crate) async fn rotate(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
    sealed: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"with before as materialized (
               select sealed from generation.webhook_secrets where endpoint = $1 and current
           ), kept as (
               insert into generation.webhook_secrets (endpoint, current, sealed)
               select $1, false, sealed from before
               on conflict (endpoint, current) do update set sealed = excluded.sealed
           )
           insert into generation.webhook_secrets (endpoint, current, sealed) values ($1, true, $2)
           on conflict (endpoint, current) do update set sealed = excluded.sealed"#,
        endpoint.uuid(),
        sealed,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The secrets that sign now, the current one first.
pub(crate) async fn live(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select s.sealed from generation.webhook_secrets s
           join generation.webhook_endpoints e on e.id = s.endpoint
           where s.endpoint = $1 and (s.current or e.old_secret_until > generation.clock_now())
           order by s.current desc"#,
        endpoint.uuid(),
    )
    .fetch_all(conn)
    .await
}

/// Forgets previous secrets whose time is over; answers how many.
pub(crate) async fn delete_expired(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"delete from generation.webhook_secrets s using generation.webhook_endpoints e
           where e.id = s.endpoint and not s.current and e.old_secret_until <= generation.clock_now()"#,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}
