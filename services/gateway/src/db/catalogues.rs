//! `generation.catalogues`: every catalogue that ever priced a generation, as it was written.

use sqlx::PgConnection;

/// Keeps a version; nothing when it is known.
pub(crate) async fn record(conn: &mut PgConnection, version: &str, content: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into generation.catalogues (version, content) values ($1, $2) on conflict (version) do nothing",
        version,
        content,
    )
    .execute(conn)
    .await?;
    Ok(())
}
