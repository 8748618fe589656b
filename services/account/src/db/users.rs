//! People.

use imagioo_types::UserId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::email::Email;

/// A person, as that person may see it.
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) created_at: OffsetDateTime,
}

/// What a sign-in is compared with.
pub(crate) struct StoredPassword {
    pub(crate) id: UserId,
    pub(crate) password_hash: String,
}

/// Adds a person; nothing when the address has an account.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    id: UserId,
    email: &Email,
    password_hash: &str,
) -> Result<Option<UserRow>, sqlx::Error> {
    sqlx::query_as!(
        UserRow,
        r#"insert into account.users (id, email, email_key, password_hash)
           values ($1, $2, $3, $4)
           on conflict (email_key) do nothing
           returning id as "id: UserId", email, email_verified, created_at"#,
        id.uuid(),
        email.typed(),
        email.key(),
        password_hash,
    )
    .fetch_optional(connection)
    .await
}

/// The person with this id. Runs as the user's role.
pub(crate) async fn get(connection: &mut PgConnection, id: UserId) -> Result<Option<UserRow>, sqlx::Error> {
    sqlx::query_as!(
        UserRow,
        r#"select id as "id: UserId", email, email_verified, created_at from account.users where id = $1"#,
        id.uuid(),
    )
    .fetch_optional(connection)
    .await
}

/// Who signs in with this address, and the hash of the password.
pub(crate) async fn password_of(
    connection: &mut PgConnection,
    email: &Email,
) -> Result<Option<StoredPassword>, sqlx::Error> {
    sqlx::query_as!(
        StoredPassword,
        r#"select id as "id: UserId", password_hash from account.users where email_key = $1"#,
        email.key(),
    )
    .fetch_optional(connection)
    .await
}

/// Replaces a password hash, unless it was replaced since it was read.
pub(crate) async fn replace_password(
    connection: &mut PgConnection,
    read: &StoredPassword,
    password_hash: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update account.users set password_hash = $3 where id = $1 and password_hash = $2",
        read.id.uuid(),
        read.password_hash,
        password_hash,
    )
    .execute(connection)
    .await?;
    Ok(())
}
