//! The deny list.

use std::time::Duration;

use imagioo_rpc::{Revocation, Subject};
use imagioo_types::{ApiKeyId, SessionId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::seconds;

/// An entry of the deny list with its place in the order of commits.
pub(crate) struct RevocationRow {
    pub(crate) sequence: i64,
    pub(crate) revocation: Revocation,
    /// How long a token may still live that it contradicts.
    pub(crate) remaining: Duration,
}

/// Adds an entry that matters for `life`. Must be the last statement of its transaction: it waits for, and then
/// blocks, every other one until the commit.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    owner: UserId,
    subject: Subject,
    life: Duration,
) -> Result<(), sqlx::Error> {
    let (kind, id) = encode(subject);
    sqlx::query!(
        "insert into account.revocations (owner, kind, subject, expires_at)
         values ($1, $2, $3, account.clock_now() + make_interval(secs => $4))",
        owner.uuid(),
        kind,
        id,
        life.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Entries that still matter and follow `sequence`, in the order of their commits.
pub(crate) async fn after(
    connection: &mut PgConnection,
    sequence: i64,
) -> Result<Vec<RevocationRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select sequence, kind, subject, revoked_at,
                  extract(epoch from expires_at - account.clock_now())::float8 as "remaining!"
           from account.revocations
           where sequence > $1 and expires_at > account.clock_now()
           order by sequence"#,
        sequence,
    )
    .fetch_all(connection)
    .await?;
    let read = |kind: &str, subject, revoked_at: OffsetDateTime| {
        decode(kind, subject).map(|subject| Revocation { subject, revoked_at })
    };
    rows.into_iter()
        .map(|row| {
            Ok(RevocationRow {
                sequence: row.sequence,
                revocation: read(&row.kind, row.subject, row.revoked_at)?,
                remaining: seconds(row.remaining),
            })
        })
        .collect()
}

/// Deletes up to `limit` entries that no living token contradicts; answers how many.
pub(crate) async fn sweep(connection: &mut PgConnection, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from account.revocations where sequence in (
             select sequence from account.revocations
             where expires_at < account.clock_now() order by expires_at limit $1
         )",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

fn encode(subject: Subject) -> (&'static str, Uuid) {
    match subject {
        Subject::Session(id) => ("session", id.uuid()),
        Subject::ApiKey(id) => ("api_key", id.uuid()),
        Subject::User(id) => ("user", id.uuid()),
    }
}

fn decode(kind: &str, id: Uuid) -> Result<Subject, sqlx::Error> {
    match kind {
        "session" => Ok(Subject::Session(SessionId::from_uuid(id))),
        "api_key" => Ok(Subject::ApiKey(ApiKeyId::from_uuid(id))),
        "user" => Ok(Subject::User(UserId::from_uuid(id))),
        other => Err(sqlx::Error::Decode(format!("unknown kind of revocation `{other}`").into())),
    }
}
