//! `generation.provider_keys`: keys of users, sealed.

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::broken;
use crate::provider_key::{KeyId, ProviderKey, RejectReason};

/// The row without the key.
struct Row {
    id: Uuid,
    provider: String,
    hint: String,
    rejected_at: Option<OffsetDateTime>,
    reject_reason: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for ProviderKey {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let reason = row.reject_reason.map(RejectReason::try_from).transpose().map_err(broken)?;
        Ok(Self {
            id: KeyId(row.id),
            provider: row.provider,
            hint: row.hint,
            rejected: reason.zip(row.rejected_at),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Keeps a key in place of the owner's earlier one for the provider.
pub(crate) async fn put(
    conn: &mut PgConnection,
    (id, owner): (KeyId, UserId),
    (provider, hint): (&str, &str),
    sealed: &[u8],
) -> Result<ProviderKey, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"insert into generation.provider_keys (id, owner, provider, hint, sealed) values ($1, $2, $3, $4, $5)
           on conflict on constraint provider_keys_once do update set
               id = excluded.id, hint = excluded.hint, sealed = excluded.sealed,
               rejected_at = null, reject_reason = null, updated_at = generation.clock_now()
           returning id, provider, hint, rejected_at, reject_reason, created_at, updated_at"#,
        id.0,
        owner.uuid(),
        provider,
        hint,
        sealed,
    )
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// The owner's keys, by provider.
pub(crate) async fn list(conn: &mut PgConnection, owner: UserId) -> Result<Vec<ProviderKey>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, provider, hint, rejected_at, reject_reason, created_at, updated_at
           from generation.provider_keys where owner = $1 order by provider"#,
        owner.uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(ProviderKey::try_from).collect()
}

/// The owner's key for a provider, as it is sealed.
pub(crate) async fn find_sealed(
    conn: &mut PgConnection,
    owner: UserId,
    provider: &str,
) -> Result<Option<(ProviderKey, Vec<u8>)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, provider, hint, rejected_at, reject_reason, created_at, updated_at, sealed
           from generation.provider_keys where owner = $1 and provider = $2"#,
        owner.uuid(),
        provider,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let key = Row {
        id: row.id,
        provider: row.provider,
        hint: row.hint,
        rejected_at: row.rejected_at,
        reject_reason: row.reject_reason,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(Some((key.try_into()?, row.sealed)))
}

/// Notes that a provider did not take this very key; nothing if it was replaced meanwhile, or noted before.
pub(crate) async fn reject(
    conn: &mut PgConnection,
    id: KeyId,
    reason: RejectReason,
) -> Result<bool, sqlx::Error> {
    let rejected = sqlx::query!(
        r#"update generation.provider_keys set rejected_at = generation.clock_now(), reject_reason = $2
           where id = $1 and rejected_at is null"#,
        id.0,
        reason.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(rejected.rows_affected() == 1)
}

/// Removes the owner's key for a provider; false when there is none.
pub(crate) async fn delete(
    conn: &mut PgConnection,
    owner: UserId,
    provider: &str,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from generation.provider_keys where owner = $1 and provider = $2",
        owner.uuid(),
        provider,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Notes which key a worker is given, as long as its lease stands; answers which one an earlier worker was given.
pub(crate) async fn hand_out(
    conn: &mut PgConnection,
    (generation, attempt, epoch): (GenerationId, i32, i64),
    id: KeyId,
) -> Result<Option<KeyId>, sqlx::Error> {
    let before = sqlx::query_scalar!(
        r#"with known as materialized (
               select g.id, g.provider_key from generation.generations g
               where g.id = $1 and g.attempt = $2 and g.epoch = $3 and g.state = 'running' for update
           ), noted as (
               update generation.generations g set provider_key = $4 from known where g.id = known.id
           )
           select provider_key from known"#,
        generation.uuid(),
        attempt,
        epoch,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(before.flatten().map(KeyId))
}
