//! Applying outcomes: state, images, settlement message, webhooks and freed slot in one commit, many rows in one statement.

use imagioo_types::{Credits, GenerationId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{State, reroute};
use crate::db::broken;
use crate::generation::{Failure, Image};

mod columns;

use columns::{Columns, ImageColumns};

/// What is to become of a generation at a certain attempt.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) generation: GenerationId,
    pub(crate) attempt: i32,
    pub(crate) ending: Ending,
    pub(crate) failure: Option<Failure>,
    /// What must still be true of it.
    pub(crate) provided: Provided,
    /// Told to the others when the generation ends.
    pub(crate) settled: Settled,
}

/// What must be true of an open generation, besides its attempt, for an outcome to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provided {
    /// Nothing more.
    Open,
    /// No worker has started it.
    NotRunning,
    /// The lease of this epoch was neither renewed nor taken over.
    Lapsed { epoch: i64 },
}

/// The end, or another attempt.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// A final state, what it costs and what was delivered.
    End { state: State, charge: Credits, images: Vec<Image> },
    /// The next attempt, at another deployment if one is named. Becomes CANCELLED if the owner asked for that meanwhile.
    Requeue { not_before: Option<OffsetDateTime>, deployment: Option<String> },
}

/// A `GenerationSettled` message for the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) message_id: Uuid,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trace: Option<String>,
}

/// An outcome that was applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Applied {
    pub(crate) generation: GenerationId,
    pub(crate) owner: UserId,
    pub(crate) deployment: String,
    pub(crate) state: State,
    pub(crate) version: i64,
    pub(crate) attempt: i32,
    /// Whether a webhook tells of it.
    pub(crate) hooked: bool,
    /// Seconds that it ran, when its first attempt succeeded.
    pub(crate) ran: Option<f64>,
}

/// Applies each outcome once: to a generation that has none and is at the named attempt.
///
/// Outcomes must name distinct generations. Those without an entry in the answer changed nothing.
/// Locks are taken in one order everywhere: generations by id, then users by owner and queue.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    outcomes: &[Outcome],
) -> Result<Vec<Applied>, sqlx::Error> {
    let rows = Columns::of(outcomes)?;
    if rows.elsewhere.iter().any(Option::is_some) {
        reroute::make_room(conn, &rows.ids, &rows.elsewhere).await?;
    }
    let images = ImageColumns::of(outcomes);
    let applied = sqlx::query!(
        r#"with input as materialized (
               select * from unnest(
                   $1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::jsonb[], $6::timestamptz[], $7::bool[],
                   $8::uuid[], $9::text[], $10::bytea[], $11::text[], $22::text[], $23::bigint[]
               ) as input (id, attempt, state, charge, failure, not_before, not_running,
                           message_id, message_name, message_body, message_trace, elsewhere, lapsed)
           ), known as materialized (
               -- By id alone: with its state named, the planner prefers the index of everything open, and reads it all.
               select id, owner, deployment, attempt, epoch, lease_until, state, cancel_requested_at
               from generation.generations
               where id = any($1) order by id for update
           ), before as materialized (
               select known.id, known.owner, known.deployment, known.attempt, known.state as old_state,
                      case when input.state = 'queued' and known.cancel_requested_at is not null then 'cancelled'
                           else input.state end as new_state,
                      case when input.state = 'queued' and known.cancel_requested_at is not null then null
                           else input.failure end as failure,
                      coalesce(input.elsewhere, known.deployment) as new_deployment,
                      input.charge, input.not_before,
                      input.message_id, input.message_name, input.message_body, input.message_trace
               from known join input on input.id = known.id and input.attempt = known.attempt
               where known.state in ('queued', 'dispatched', 'running')
                 and not (input.not_running and known.state = 'running')
                 and (input.lapsed is null
                      or (known.epoch = input.lapsed and known.lease_until < generation.clock_now()))
           ), users as materialized (
               select u.owner, u.queue, u.queued, u.in_flight, u.vtime
               from generation.dispatch_users u
               where exists (
                   select from before b where b.owner = u.owner and u.queue in (b.deployment, b.new_deployment)
               )
               order by u.owner, u.queue
               for update
           ), slots as (
               update generation.dispatch_users u set
                   in_flight = users.in_flight - moved.flying,
                   queued = users.queued - moved.waiting + moved.back,
                   -- Whoever begins to wait joins as in `insert`.
                   vtime = case when users.queued = moved.waiting and moved.back > 0
                                then least(greatest(users.vtime, moved.joined), moved.joined + u.cap / u.weight)
                                else users.vtime end
               from (
                   select c.owner, c.queue, sum(c.flying)::int as flying, sum(c.waiting)::int as waiting,
                          sum(c.back)::int as back,
                          case when sum(c.back) > 0 then (
                              select coalesce(min(w.vtime), 0) from generation.dispatch_users w
                              where w.queue = c.queue and w.queued > 0
                          ) end as joined
                   from (
                       select owner, deployment as queue, (old_state <> 'queued')::int as flying,
                              (old_state = 'queued')::int as waiting, 0 as back
                       from before
                       union all
                       select owner, new_deployment, 0, 0, 1 from before where new_state = 'queued'
                   ) c group by c.owner, c.queue
               ) moved
               join users on users.owner = moved.owner and users.queue = moved.queue
               where u.owner = moved.owner and u.queue = moved.queue
           ), changed as (
               update generation.generations g set
                   state = before.new_state,
                   deployment = case when before.new_state = 'queued' then before.new_deployment
                                     else g.deployment end,
                   version = g.version + 1,
                   attempt = g.attempt + case when before.new_state = 'queued' then 1 else 0 end,
                   epoch = case when before.new_state = 'queued' then 0 else g.epoch end,
                   worker = null,
                   lease_until = null,
                   dispatched_at = null,
                   not_before = case when before.new_state = 'queued' then before.not_before end,
                   failure = before.failure,
                   charge = case when before.new_state = 'queued' then null else before.charge end,
                   ended_at = case when before.new_state = 'queued' then null else generation.clock_now() end
               from before where g.id = before.id
               returning g.id, g.owner, g.deployment, g.state, g.version, g.attempt, g.not_before, g.started_at, g.ended_at
           ), left_backlog as (
               delete from generation.backlog b using before
               where b.generation = before.id and before.new_state <> 'queued'
           ), joined_backlog as (
               insert into generation.backlog (generation, queue, owner, attempt, not_before)
               select id, deployment, owner, attempt, not_before from changed where state = 'queued'
               on conflict (generation) do update
                   set queue = excluded.queue, attempt = excluded.attempt, not_before = excluded.not_before
           ), delivered as (
               insert into generation.images (
                   id, generation, owner, index, object_key, format, width, height, size_bytes, sha256, seed, created_at
               )
               select i.id, changed.id, changed.owner, i.index, i.object_key, i.format, i.width, i.height,
                      i.size_bytes, i.sha256, i.seed, changed.ended_at
               from unnest(
                   $12::uuid[], $13::uuid[], $14::int[], $15::text[], $16::text[], $17::int[], $18::int[],
                   $19::bigint[], $20::bytea[], $21::bigint[]
               ) as i (id, generation, index, object_key, format, width, height, size_bytes, sha256, seed)
               join changed on changed.id = i.generation
           ), told as (
               insert into generation.outbox (message_id, name, body, trace)
               select before.message_id, before.message_name, before.message_body, before.message_trace
               from before where before.new_state <> 'queued'
           ), hooked as (
               insert into generation.webhook_deliveries (endpoint, event, owner, type, generation)
               select wants.id, before.message_id, before.owner, 'generation.' || before.new_state, before.id
               from before cross join lateral (
                   -- The limit, which nobody reaches, keeps this a look-up for each owner.
                   select e.id from generation.webhook_endpoints e
                   where e.owner = before.owner and e.enabled
                     and ('generation.' || before.new_state) = any(e.events)
                   limit 1000
               ) wants
               where before.new_state <> 'queued'
               returning generation
           )
           select id, owner, deployment, state, version, attempt,
                  case when state = 'succeeded' and attempt = 1
                       then extract(epoch from ended_at - started_at)::float8 end as ran,
                  exists (select from hooked where hooked.generation = changed.id) as "hooked!"
           from changed"#,
        &rows.ids,
        &rows.attempts,
        &rows.states,
        &rows.charges,
        &rows.failures as &[Option<serde_json::Value>],
        &rows.not_before as &[Option<OffsetDateTime>],
        &rows.not_running,
        &rows.message_ids,
        &rows.message_names,
        &rows.message_bodies,
        &rows.message_traces as &[Option<String>],
        &images.ids,
        &images.generations,
        &images.indexes,
        &images.object_keys,
        &images.formats,
        &images.widths,
        &images.heights,
        &images.sizes,
        &images.hashes,
        &images.seeds as &[Option<i64>],
        &rows.elsewhere as &[Option<String>],
        &rows.lapsed as &[Option<i64>],
    )
    .fetch_all(conn)
    .await?;
    applied
        .into_iter()
        .map(|row| {
            let state = State::try_from(row.state).map_err(broken)?;
            Ok(Applied {
                generation: GenerationId::from_uuid(row.id),
                owner: UserId::from_uuid(row.owner),
                deployment: row.deployment,
                state,
                version: row.version,
                attempt: row.attempt,
                hooked: row.hooked,
                ran: row.ran,
            })
        })
        .collect()
}
