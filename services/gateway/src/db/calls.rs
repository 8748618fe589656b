//! `generation.calls`: what was bought of providers, so that nothing is bought twice.

use imagioo_types::GenerationId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::generations::lease::Lease;

/// A recorded provider call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) generation: GenerationId,
    pub(crate) call: i32,
    pub(crate) task_id: String,
}

/// Records a call under a lease that still stands; false when it does not.
pub(crate) async fn record(
    conn: &mut PgConnection,
    lease: Lease,
    call: i32,
    task_id: &str,
) -> Result<bool, sqlx::Error> {
    let recorded = sqlx::query!(
        r#"insert into generation.calls (generation, attempt, call, epoch, task_id)
           select id, attempt, $4, epoch, $5 from generation.generations
           where id = $1 and attempt = $2 and epoch = $3 and state = 'running'
           for update
           on conflict (generation, attempt, call) do update
               set epoch = excluded.epoch, recorded_at = generation.clock_now(),
                   task_id = case when excluded.task_id = '' then calls.task_id else excluded.task_id end"#,
        lease.generation.uuid(),
        lease.attempt,
        lease.epoch,
        call,
        task_id,
    )
    .execute(conn)
    .await?;
    Ok(recorded.rows_affected() == 1)
}

/// The calls recorded for these generations' attempts, in order.
pub(crate) async fn list(
    conn: &mut PgConnection,
    generations: &[Uuid],
    attempts: &[i32],
) -> Result<Vec<Call>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select generation, call, task_id
           from generation.calls
           join unnest($1::uuid[], $2::int[]) as input (generation, attempt) using (generation, attempt)
           order by generation, call"#,
        generations,
        attempts,
    )
    .fetch_all(conn)
    .await?;
    let call =
        |generation, call, task_id| Call { generation: GenerationId::from_uuid(generation), call, task_id };
    Ok(rows.into_iter().map(|row| call(row.generation, row.call, row.task_id)).collect())
}
