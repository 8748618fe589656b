//! Moving generations that wait from one deployment's queue to another's.

use sqlx::PgConnection;
use uuid::Uuid;

/// Makes sure that the owners of these generations have a place in the queues they are about to move to; without one the
/// statement that moves them would have nothing to count in.
pub(crate) async fn make_room(
    conn: &mut PgConnection,
    generations: &[Uuid],
    queues: &[Option<String>],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.dispatch_users (owner, queue, weight, cap, queued, in_flight, vtime)
           select distinct on (u.owner, input.queue) u.owner, input.queue, u.weight, u.cap, 0, 0, 0::float8
           from unnest($1::uuid[], $2::text[]) as input (id, queue)
           join generation.generations g on g.id = input.id
           join generation.dispatch_users u on u.owner = g.owner and u.queue = g.deployment
           where input.queue is not null
           order by u.owner, input.queue
           on conflict (owner, queue) do nothing"#,
        generations,
        queues as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Generations that wait for `from` and may run at `to`, at most `limit`.
pub(crate) async fn movable(
    conn: &mut PgConnection,
    (from, to): (&str, &str),
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select b.generation from generation.backlog b
           join generation.generations g on g.id = b.generation
           where b.queue = $1 and g.state = 'queued'
             and g.route @> jsonb_build_array(jsonb_build_object('deployment', $2::text))
           order by b.generation limit $3"#,
        from,
        to,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Moves these generations, if they still wait for `from`; answers how many. They keep their attempt.
pub(crate) async fn reroute(
    conn: &mut PgConnection,
    generations: &[Uuid],
    (from, to): (&str, &str),
) -> Result<u64, sqlx::Error> {
    let moved = sqlx::query!(
        r#"with moving as materialized (
               select id, owner from generation.generations
               where id = any($1) and state = 'queued' and deployment = $2
               order by id for update
           ), users as materialized (
               select u.owner, u.queue, u.queued, u.vtime from generation.dispatch_users u
               where u.queue in ($2, $3) and exists (select from moving where moving.owner = u.owner)
               order by u.owner, u.queue for update
           ), slots as (
               update generation.dispatch_users u set
                   queued = users.queued + case when u.queue = $3 then moved.many else -moved.many end,
                   -- Whoever begins to wait joins as in `insert`.
                   vtime = case when u.queue = $3 and users.queued = 0
                                then least(greatest(users.vtime, moved.joined), moved.joined + u.cap / u.weight)
                                else users.vtime end
               from users, (
                   select owner, count(*)::int as many,
                          (select coalesce(min(w.vtime), 0) from generation.dispatch_users w
                           where w.queue = $3 and w.queued > 0) as joined
                   from moving group by owner
               ) moved
               where users.owner = u.owner and users.queue = u.queue and moved.owner = u.owner
           ), waiting as (
               update generation.backlog b set queue = $3, not_before = null from moving where b.generation = moving.id
           )
           update generation.generations g
           set deployment = $3, not_before = null, version = g.version + 1
           from moving where moving.id = g.id"#,
        generations,
        from,
        to,
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected())
}
