//! Tombstones: ids that never existed and never will.

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;

/// Takes an id that nothing has, so that a late insert finds it taken; false when it exists already.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: GenerationId,
    owner: UserId,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        r#"insert into generation.generations (
               id, owner, request_id, body_hash, state, model, operation, settings, count, prompt, screening,
               deployment, catalogue_version, price, start_deadline, deadline, created_at
           )
           values ($1, $2, $3, decode(repeat('00', 32), 'hex'), 'void', '', '', '{}', 1, '', '', '', '', 0,
                   generation.clock_now(), generation.clock_now(), generation.clock_now())
           on conflict (id) do nothing"#,
        id.uuid(),
        owner.uuid(),
        format!("void:{id}"),
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
