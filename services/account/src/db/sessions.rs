//! Sessions and the newest refresh token of each.

use std::time::Duration;

use imagioo_types::{SessionId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::seconds;
use crate::config::SessionConfig;
use crate::credential::RefreshToken;

/// A session that is alive.
pub(crate) struct LiveSession {
    pub(crate) id: SessionId,
    pub(crate) owner: UserId,
    /// When it ends unless it is refreshed.
    pub(crate) expires_at: OffsetDateTime,
    /// The same as a duration on the database's clock.
    pub(crate) remaining: Duration,
}

/// Opens a session with its first refresh token.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    owner: UserId,
    token: &RefreshToken,
    limits: &SessionConfig,
) -> Result<LiveSession, sqlx::Error> {
    let row = sqlx::query!(
        r#"insert into account.sessions
               (id, owner, family_hash, secret_hash, created_at, expires_at, absolute_expires_at)
           select $1, $2, $3, $4, now, now + make_interval(secs => $5), now + make_interval(secs => $6)
           from (select account.clock_now() as now) as clock
           returning expires_at, extract(epoch from expires_at - created_at)::float8 as "remaining!""#,
        token.session.uuid(),
        owner.uuid(),
        token.family_hash().as_slice(),
        token.secret_hash().as_slice(),
        limits.idle().as_secs_f64(),
        limits.longest().as_secs_f64(),
    )
    .fetch_one(connection)
    .await?;
    Ok(LiveSession {
        id: token.session,
        owner,
        expires_at: row.expires_at,
        remaining: seconds(row.remaining),
    })
}

/// Spends `spent` and makes `next` the newest token, in one step; nothing unless `spent` is the newest token of a
/// live session.
pub(crate) async fn refresh(
    connection: &mut PgConnection,
    spent: &RefreshToken,
    next: &RefreshToken,
    limits: &SessionConfig,
) -> Result<Option<LiveSession>, sqlx::Error> {
    let row = sqlx::query!(
        r#"update account.sessions
           set secret_hash = $4,
               expires_at = least(clock.now + make_interval(secs => $5), absolute_expires_at)
           from (select account.clock_now() as now) as clock
           where id = $1 and family_hash = $2 and secret_hash = $3
             and ended_at is null and expires_at > clock.now
           returning owner as "owner: UserId", expires_at,
                     extract(epoch from expires_at - clock.now)::float8 as "remaining!""#,
        spent.session.uuid(),
        spent.family_hash().as_slice(),
        spent.secret_hash().as_slice(),
        next.secret_hash().as_slice(),
        limits.idle().as_secs_f64(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| LiveSession {
        id: spent.session,
        owner: row.owner,
        expires_at: row.expires_at,
        remaining: seconds(row.remaining),
    }))
}

/// Ends the live session of a token because its owner asked for it; answers the owner.
pub(crate) async fn end_signed_out(
    connection: &mut PgConnection,
    token: &RefreshToken,
) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"update account.sessions
           set ended_at = account.clock_now(), end_cause = 'signed_out',
               expires_at = least(expires_at, account.clock_now())
           where id = $1 and family_hash = $2 and ended_at is null
           returning owner as "owner: UserId""#,
        token.session.uuid(),
        token.family_hash().as_slice(),
    )
    .fetch_optional(connection)
    .await
}

/// Ends the live session of a token that is of its family but no longer its newest; answers the owner.
pub(crate) async fn end_reused(
    connection: &mut PgConnection,
    token: &RefreshToken,
) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"update account.sessions
           set ended_at = account.clock_now(), end_cause = 'token_reused',
               expires_at = least(expires_at, account.clock_now())
           where id = $1 and family_hash = $2 and secret_hash <> $3
             and ended_at is null and expires_at > account.clock_now()
           returning owner as "owner: UserId""#,
        token.session.uuid(),
        token.family_hash().as_slice(),
        token.secret_hash().as_slice(),
    )
    .fetch_optional(connection)
    .await
}

/// Whether the token belongs to a session that is on record, ended or not.
pub(crate) async fn exists(connection: &mut PgConnection, token: &RefreshToken) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from account.sessions where id = $1 and family_hash = $2
           ) as "exists!""#,
        token.session.uuid(),
        token.family_hash().as_slice(),
    )
    .fetch_one(connection)
    .await
}

/// Deletes up to `limit` sessions that have been over for `keep_days`; answers how many.
pub(crate) async fn sweep(
    connection: &mut PgConnection,
    keep_days: u32,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from account.sessions where id in (
             select id from account.sessions
             where expires_at < account.clock_now() - make_interval(days => $1)
             order by expires_at limit $2
         )",
        i32::try_from(keep_days).unwrap_or(i32::MAX),
        limit,
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
