//! Asking a running generation to end.

use imagioo_types::GenerationId;
use sqlx::PgConnection;

/// Notes that the owner wants a running generation to end; false when it does not run.
pub(crate) async fn request(conn: &mut PgConnection, id: GenerationId) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        r#"update generation.generations
           set cancel_requested_at = coalesce(cancel_requested_at, generation.clock_now()), version = version + 1
           where id = $1 and state = 'running'"#,
        id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}
