//! What the sweeper looks for: hints that were lost, leases that lapsed, deadlines that passed.

use imagioo_types::GenerationId;
use sqlx::PgConnection;
use time::Duration;

/// Puts dispatched generations that no worker took back into the backlog, those of one deployment or of all; answers how
/// many.
pub(crate) async fn requeue_unstarted(
    conn: &mut PgConnection,
    deployment: Option<&str>,
    after: Duration,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let moved = sqlx::query!(
        r#"with lost as materialized (
               select id, owner, deployment, attempt from generation.generations
               where state = 'dispatched' and dispatched_at < generation.clock_now() - make_interval(secs => $1)
                 and ($3::text is null or deployment = $3)
               order by id limit $2 for update skip locked
           ), users as materialized (
               select u.owner, u.queue, u.queued, u.in_flight, u.vtime from generation.dispatch_users u
               where exists (select from lost where lost.owner = u.owner and lost.deployment = u.queue)
               order by u.owner, u.queue for update
           ), slots as (
               update generation.dispatch_users u
               set in_flight = users.in_flight - back.many, queued = users.queued + back.many,
                   -- Whoever begins to wait joins as in `insert`.
                   vtime = case when users.queued = 0
                                then least(greatest(users.vtime, back.joined), back.joined + u.cap / u.weight)
                                else users.vtime end
               from (
                   select lost.owner, lost.deployment, count(*)::int as many,
                          (select coalesce(min(w.vtime), 0) from generation.dispatch_users w
                           where w.queue = lost.deployment and w.queued > 0) as joined
                   from lost group by lost.owner, lost.deployment
               ) back
               join users on users.owner = back.owner and users.queue = back.deployment
               where u.owner = back.owner and u.queue = back.deployment
           ), waiting as (
               insert into generation.backlog (generation, queue, owner, attempt)
               select id, deployment, owner, attempt from lost
           )
           update generation.generations g
           set state = 'queued', dispatched_at = null, version = g.version + 1
           from lost where lost.id = g.id"#,
        after.as_seconds_f64(),
        limit,
        deployment,
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected())
}

/// A running generation whose worker has gone silent.
#[derive(Debug, Clone)]
pub(crate) struct Lapsed {
    pub(crate) id: GenerationId,
    pub(crate) deployment: String,
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
    /// The `traceparent` of the call that created it.
    pub(crate) trace: Option<String>,
}

/// Running generations whose lease is over.
pub(crate) async fn lapsed_leases(conn: &mut PgConnection, limit: i64) -> Result<Vec<Lapsed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, deployment, attempt, epoch, trace from generation.generations
           where state = 'running' and lease_until < generation.clock_now()
           order by lease_until limit $1"#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Lapsed {
            id: GenerationId::from_uuid(row.id),
            deployment: row.deployment,
            attempt: row.attempt,
            epoch: row.epoch,
            trace: row.trace,
        })
        .collect())
}

/// Ends every lease: the only process that could hold one is the one that is starting.
pub(crate) async fn void_leases(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let voided = sqlx::query!(
        r#"update generation.generations set lease_until = generation.clock_now() - interval '1 second'
           where state = 'running'"#,
    )
    .execute(conn)
    .await?;
    Ok(voided.rows_affected())
}

/// An open generation whose time is over.
#[derive(Debug, Clone)]
pub(crate) struct Overdue {
    pub(crate) id: GenerationId,
    /// The `traceparent` of the call that created it.
    pub(crate) trace: Option<String>,
}

/// Open generations that are past their deadline, or past their start deadline without having started. One that runs gets
/// `last_word` more, for its worker to say what was delivered.
pub(crate) async fn overdue(
    conn: &mut PgConnection,
    last_word: Duration,
    limit: i64,
) -> Result<Vec<Overdue>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, trace from generation.generations
           where state in ('queued', 'dispatched', 'running')
             and (case when started_at is null then least(start_deadline, deadline) else deadline end)
                 < generation.clock_now()
             and (state <> 'running' or deadline < generation.clock_now() - make_interval(secs => $2))
           order by (case when started_at is null then least(start_deadline, deadline) else deadline end)
           limit $1"#,
        limit,
        last_word.as_seconds_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Overdue { id: GenerationId::from_uuid(row.id), trace: row.trace })
        .collect())
}

/// Which of these generations are open, or ended less than `grace` ago; their objects are not to be touched.
pub(crate) async fn not_long_ended(
    conn: &mut PgConnection,
    generations: &[uuid::Uuid],
    grace: Duration,
) -> Result<std::collections::HashSet<GenerationId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select id from generation.generations
           where id = any($1) and state <> 'void'
             and (ended_at is null or ended_at > generation.clock_now() - make_interval(secs => $2))"#,
        generations,
        grace.as_seconds_f64(),
    )
    .fetch_all(conn)
    .await
    .map(|ids| ids.into_iter().map(GenerationId::from_uuid).collect())
}
