//! Attempts to sign in since the last success, per hashed address.

use std::time::Duration;

use sqlx::PgConnection;

use super::seconds;
use crate::config::ThrottleConfig;

/// Doublings after which every delay is beyond any longest one.
const MOST_DOUBLINGS: i32 = 20;

/// Counts an attempt and blocks the next ones for the delay it has earned; false, and no count, while blocked.
pub(crate) async fn count(
    connection: &mut PgConnection,
    address_hash: &[u8],
    config: &ThrottleConfig,
) -> Result<bool, sqlx::Error> {
    let counted = sqlx::query!(
        r#"insert into account.sign_in_attempts as known (address_hash, attempts, last_at, blocked_until)
           values ($1, 1, account.clock_now(), account.clock_now())
           on conflict (address_hash) do update
           set (attempts, last_at, blocked_until) = (
                   select counted, now, now + make_interval(secs => case
                              when counted <= $2 then 0
                              else least($3::float8 * 2 ^ least(counted - $2 - 1, $6), $4::float8)
                          end)
                   from (select account.clock_now() as now) as clock,
                   lateral (select case when known.last_at < now - make_interval(secs => $5) then 1
                                        else known.attempts + 1 end as counted) as attempt
               )
           where known.blocked_until <= account.clock_now()"#,
        address_hash,
        i32::from(config.free_attempts),
        f64::from(config.first_delay_seconds),
        f64::from(config.longest_delay_seconds),
        config.forget().as_secs_f64(),
        MOST_DOUBLINGS,
    )
    .execute(connection)
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// How long an address stays blocked.
pub(crate) async fn blocked_for(
    connection: &mut PgConnection,
    address_hash: &[u8],
) -> Result<Option<Duration>, sqlx::Error> {
    let blocked = sqlx::query_scalar!(
        r#"select extract(epoch from blocked_until - account.clock_now())::float8 as "seconds!"
           from account.sign_in_attempts where address_hash = $1"#,
        address_hash,
    )
    .fetch_optional(connection)
    .await?;
    Ok(blocked.map(seconds))
}

/// Forgets an address.
pub(crate) async fn delete(connection: &mut PgConnection, address_hash: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from account.sign_in_attempts where address_hash = $1", address_hash)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes up to `limit` addresses without an attempt for `forget`; answers how many.
pub(crate) async fn sweep(
    connection: &mut PgConnection,
    forget: Duration,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from account.sign_in_attempts where address_hash in (
             select address_hash from account.sign_in_attempts
             where last_at < account.clock_now() - make_interval(secs => $1)
             order by last_at limit $2
         )",
        forget.as_secs_f64(),
        limit,
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
