//! Keeping leases: one statement renews all of one worker's.

use imagioo_types::GenerationId;
use sqlx::PgConnection;
use time::Duration;

/// A lease as its holder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) generation: GenerationId,
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
}

/// A lease that still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renewed {
    pub(crate) generation: GenerationId,
    pub(crate) cancel_requested: bool,
}

/// Extends the leases that `worker` still holds; those without an entry in the answer are lost.
pub(crate) async fn renew(
    conn: &mut PgConnection,
    worker: &str,
    leases: &[Lease],
    extension: Duration,
) -> Result<Vec<Renewed>, sqlx::Error> {
    let generations: Vec<_> = leases.iter().map(|lease| lease.generation.uuid()).collect();
    let attempts: Vec<_> = leases.iter().map(|lease| lease.attempt).collect();
    let epochs: Vec<_> = leases.iter().map(|lease| lease.epoch).collect();
    let rows = sqlx::query!(
        r#"with known as materialized (
               select id, attempt, epoch, state, worker from generation.generations
               where id = any($2) order by id for update
           ), held as materialized (
               select known.id
               from known join unnest($2::uuid[], $3::int[], $4::bigint[]) as input (id, attempt, epoch)
                   using (id, attempt, epoch)
               where known.state = 'running' and known.worker = $1
           )
           update generation.generations g
           set lease_until = generation.clock_now() + make_interval(secs => $5)
           from held where held.id = g.id
           returning g.id, g.cancel_requested_at is not null as "cancel_requested!""#,
        worker,
        &generations,
        &attempts,
        &epochs,
        extension.as_seconds_f64(),
    )
    .fetch_all(conn)
    .await?;
    let renewed =
        |id, cancel_requested| Renewed { generation: GenerationId::from_uuid(id), cancel_requested };
    Ok(rows.into_iter().map(|row| renewed(row.id, row.cancel_requested)).collect())
}
