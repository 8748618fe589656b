//! `generation.dispatch_users`: whose turn is next.
//!
//! Statements that change counters lock the rows first and count from what the lock read (`users.queued`, never
//! `u.queued`): an update first looks at the row as of the statement's snapshot, and its check constraints already fail
//! there when the counter has grown since.

use imagioo_types::{GenerationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

/// A generation whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dispatched {
    pub(crate) generation: GenerationId,
    pub(crate) owner: UserId,
    pub(crate) attempt: i32,
    pub(crate) version: i64,
    /// The `traceparent` of the call that created it.
    pub(crate) trace: Option<String>,
}

/// How full a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) queue: String,
    pub(crate) queued: i64,
    pub(crate) in_flight: i64,
}

/// Moves up to `window - in flight` generations of a queue from the backlog to DISPATCHED, least virtual time first, and
/// among them at most so many `retries`.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    queue: &str,
    (window, retries): (i64, i64),
) -> Result<Vec<Dispatched>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with room as materialized (
               select greatest(0, $2 - coalesce(sum(in_flight), 0)) as slots
               from generation.dispatch_users where queue = $1 and (queued > 0 or in_flight > 0)
           ), turns as materialized (
               select u.owner, u.vtime, u.weight, u.cap - u.in_flight as free
               from generation.dispatch_users u, room
               where u.queue = $1 and u.queued > 0 and u.in_flight < u.cap and room.slots > 0
                 and exists (
                     select from generation.backlog b
                     where b.queue = $1 and b.owner = u.owner
                       and (b.attempt = 1 or $3::bigint > 0)
                       and (b.not_before is null or b.not_before <= generation.clock_now())
                 )
               order by u.vtime, u.owner
               limit $2
           ), candidates as (
               select b.generation, b.attempt,
                      turns.vtime + row_number() over (partition by turns.owner order by b.generation) / turns.weight
                          as finish
               from turns cross join lateral (
                   select generation, attempt from generation.backlog
                   where queue = $1 and owner = turns.owner
                     and (attempt = 1 or $3 > 0)
                     and (not_before is null or not_before <= generation.clock_now())
                   order by generation
                   limit turns.free
               ) b
           ), counted as (
               select *, row_number() over (partition by attempt > 1 order by finish, generation) as place
               from candidates
           ), picked as materialized (
               select generation, attempt from counted where attempt = 1 or place <= $3
               order by finish, generation
               limit (select slots from room)
           ), locked as materialized (
               select g.id, g.owner from generation.generations g
               join picked on picked.generation = g.id and picked.attempt = g.attempt
               where g.state = 'queued'
               order by g.id for update of g
           ), users as materialized (
               select u.owner, u.queued, u.in_flight, u.vtime from generation.dispatch_users u
               where u.queue = $1 and exists (select from locked where locked.owner = u.owner)
               order by u.owner for update
           ), slots as (
               update generation.dispatch_users u set
                   queued = users.queued - moved.many,
                   in_flight = users.in_flight + moved.many,
                   vtime = users.vtime + moved.many / u.weight
               from (select owner, count(*)::int as many from locked group by owner) moved
               join users using (owner)
               where u.queue = $1 and u.owner = moved.owner
           ), gone as (
               delete from generation.backlog b using locked where b.generation = locked.id
           )
           update generation.generations g
           set state = 'dispatched', dispatched_at = generation.clock_now(), not_before = null, version = g.version + 1
           from locked where g.id = locked.id
           returning g.id, g.owner, g.attempt, g.version, g.trace"#,
        queue,
        window,
        retries,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Dispatched {
            generation: GenerationId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner),
            attempt: row.attempt,
            version: row.version,
            trace: row.trace,
        })
        .collect())
}

/// Which of these queues somebody waits for.
pub(crate) async fn awaited(conn: &mut PgConnection, queues: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select queue as "queue!" from unnest($1::text[]) as asked (queue)
           where exists (select from generation.dispatch_users u where u.queue = asked.queue and u.queued > 0)"#,
        queues,
    )
    .fetch_all(conn)
    .await
}

/// How full each of these queues is, empty ones included.
pub(crate) async fn depths(conn: &mut PgConnection, queues: &[String]) -> Result<Vec<Depth>, sqlx::Error> {
    sqlx::query_as!(
        Depth,
        r#"select queue as "queue!", coalesce(sum(u.queued), 0)::bigint as "queued!",
                  coalesce(sum(u.in_flight), 0)::bigint as "in_flight!"
           from unnest($1::text[]) as asked (queue)
           left join (
               select queue, queued, in_flight from generation.dispatch_users where queued > 0 or in_flight > 0
           ) u using (queue)
           group by queue"#,
        queues,
    )
    .fetch_all(conn)
    .await
}

/// A user who waits in a queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) queue: String,
    pub(crate) owner: Uuid,
    pub(crate) vtime: f64,
    pub(crate) weight: f64,
    pub(crate) queued: i32,
}

/// Who waits, those first whose turn comes first; at most `limit` of them.
pub(crate) async fn waiting(conn: &mut PgConnection, limit: i64) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"select queue, owner, vtime, weight, queued from generation.dispatch_users
           where queued > 0
           order by queue, vtime
           limit $1"#,
        limit,
    )
    .fetch_all(conn)
    .await
}
