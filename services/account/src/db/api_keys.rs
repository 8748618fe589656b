//! API keys.

use std::time::Duration;

use imagioo_types::{ApiKeyId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::seconds;
use crate::credential::ApiKeySecret;

/// A key, as its owner may see it.
pub(crate) struct ApiKeyRow {
    pub(crate) id: ApiKeyId,
    pub(crate) display_name: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: Option<OffsetDateTime>,
    pub(crate) revoked_at: Option<OffsetDateTime>,
    pub(crate) last_used_at: Option<OffsetDateTime>,
}

/// What a presented key is compared with.
pub(crate) struct StoredApiKey {
    pub(crate) owner: UserId,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) revoked: bool,
    /// How long it still works; absent means for ever, zero that it is over.
    pub(crate) remaining: Option<Duration>,
    /// Whether the minute of its last use is over.
    pub(crate) use_outdated: bool,
}

/// What a new key is made of.
pub(crate) struct NewApiKey<'a> {
    pub(crate) owner: UserId,
    pub(crate) secret: &'a ApiKeySecret,
    pub(crate) display_name: &'a str,
    pub(crate) expires_at: Option<OffsetDateTime>,
}

/// Adds a key; nothing when it would be over already. Runs as the user's role.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    key: NewApiKey<'_>,
) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    let secret_hash = key.secret.hash();
    sqlx::query_as!(
        ApiKeyRow,
        r#"insert into account.api_keys (id, owner, display_name, secret_hash, expires_at)
           select $1, $2, $3, $4, $5::timestamptz
           where $5::timestamptz is null or $5 > account.clock_now()
           returning id as "id: ApiKeyId", display_name, created_at, expires_at, revoked_at, last_used_at"#,
        key.secret.id.uuid(),
        key.owner.uuid(),
        key.display_name,
        secret_hash.as_slice(),
        key.expires_at,
    )
    .fetch_optional(connection)
    .await
}

/// Up to `limit` keys of an owner, newest first, that are older than `before`. Runs as the user's role.
pub(crate) async fn list(
    connection: &mut PgConnection,
    owner: UserId,
    before: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        r#"select id as "id: ApiKeyId", display_name, created_at, expires_at, revoked_at, last_used_at
           from account.api_keys
           where owner = $1 and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        owner.uuid(),
        before.map(ApiKeyId::uuid),
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The key with this id. Runs as the user's role.
pub(crate) async fn get(
    connection: &mut PgConnection,
    owner: UserId,
    id: ApiKeyId,
) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        r#"select id as "id: ApiKeyId", display_name, created_at, expires_at, revoked_at, last_used_at
           from account.api_keys where owner = $1 and id = $2"#,
        owner.uuid(),
        id.uuid(),
    )
    .fetch_optional(connection)
    .await
}

/// Revokes a key that works; nothing when there is none. Runs as the user's role.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    owner: UserId,
    id: ApiKeyId,
) -> Result<Option<ApiKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ApiKeyRow,
        r#"update account.api_keys set revoked_at = account.clock_now()
           where owner = $1 and id = $2 and revoked_at is null
           returning id as "id: ApiKeyId", display_name, created_at, expires_at, revoked_at, last_used_at"#,
        owner.uuid(),
        id.uuid(),
    )
    .fetch_optional(connection)
    .await
}

/// What to compare a presented key with.
pub(crate) async fn stored(
    connection: &mut PgConnection,
    id: ApiKeyId,
) -> Result<Option<StoredApiKey>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select owner as "owner: UserId", secret_hash, revoked_at is not null as "revoked!",
                  extract(epoch from expires_at - account.clock_now())::float8 as remaining,
                  coalesce(last_used_at < date_trunc('minute', account.clock_now()), true) as "use_outdated!"
           from account.api_keys where id = $1"#,
        id.uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| StoredApiKey {
        owner: row.owner,
        secret_hash: row.secret_hash,
        revoked: row.revoked,
        remaining: row.remaining.map(seconds),
        use_outdated: row.use_outdated,
    }))
}

/// Notes the minute of a use.
pub(crate) async fn note_use(connection: &mut PgConnection, id: ApiKeyId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update account.api_keys set last_used_at = date_trunc('minute', account.clock_now())
         where id = $1 and coalesce(last_used_at < date_trunc('minute', account.clock_now()), true)",
        id.uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
