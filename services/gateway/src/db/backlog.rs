//! `generation.backlog`: what waits.

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

/// The places of these generations among all that their owner has waiting in the same queue, from 1; nothing for one that
/// does not wait.
pub(crate) async fn places(
    conn: &mut PgConnection,
    owner: UserId,
    generations: &[Uuid],
) -> Result<Vec<(GenerationId, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select generation as "generation!", place as "place!" from (
               select b.generation, row_number() over (partition by b.queue order by b.generation) as place
               from generation.dispatch_users u
               join generation.backlog b on b.queue = u.queue and b.owner = u.owner
               where u.owner = $1 and u.queued > 0
           ) own where generation = any($2)"#,
        owner.uuid(),
        generations,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (GenerationId::from_uuid(row.generation), row.place)).collect())
}
