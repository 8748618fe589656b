//! Asking a running generation to end.

use imagioo_types::GenerationId;
use sqlx::PgConnection;

/// Notes that the owner wants a running generation to end; answers its version, and nothing when it does not run.
pub(crate) async fn request(conn: &mut PgConnection, id: GenerationId) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"update generation.generations
           set cancel_requested_at = coalesce(cancel_requested_at, generation.clock_now()), version = version + 1
           where id = $1 and state = 'running'
           returning version"#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await
}
