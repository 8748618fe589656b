//! Starting generations: lease, fence and intent in one commit, many rows in one statement.

use imagioo_picture::{Operation, Settings};
use imagioo_types::{GenerationId, NotAllowed, Screened, UserId, Wording};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::db::broken;
use crate::generation::Input;

/// A worker that wants a generation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) generation: GenerationId,
    pub(crate) attempt: i32,
    pub(crate) worker: String,
}

/// On what terms a lease is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long it lasts without renewal.
    pub(crate) lease: Duration,
    /// How often one may lapse and be taken over.
    pub(crate) takeovers: i64,
}

/// A lease that was given, with everything the worker needs.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    pub(crate) generation: GenerationId,
    pub(crate) owner: UserId,
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
    pub(crate) version: i64,
    pub(crate) prompt: Screened,
    pub(crate) operation: Operation,
    pub(crate) settings: Settings,
    pub(crate) count: i32,
    pub(crate) inputs: Vec<Input>,
    pub(crate) deployment: String,
    pub(crate) deadline: OffsetDateTime,
    /// Whether it runs there on its owner's key.
    pub(crate) own_key: bool,
    /// Whether its owner wants it to end.
    pub(crate) cancel_requested: bool,
    /// Whether the worker had this very lease already.
    pub(crate) again: bool,
    /// Whether a webhook tells of it.
    pub(crate) hooked: bool,
}

/// Gives each claim its lease if the generation was dispatched at that attempt, if its lease has lapsed for at most the
/// `takeovers`th time, or if the holder of a lease that stands asks again. A lease that lapsed is taken over under the next
/// epoch, also by the worker that held it: it may have forgotten what it bought. Claims must be sorted and name distinct
/// generations. Claims without an entry in the answer got nothing.
pub(crate) async fn start(
    conn: &mut PgConnection,
    claims: &[Claim],
    terms: Terms,
) -> Result<Vec<Started>, sqlx::Error> {
    let generations: Vec<_> = claims.iter().map(|claim| claim.generation.uuid()).collect();
    let attempts: Vec<_> = claims.iter().map(|claim| claim.attempt).collect();
    let workers: Vec<_> = claims.iter().map(|claim| claim.worker.clone()).collect();
    let events: Vec<_> = claims.iter().map(|_| Uuid::now_v7()).collect();
    let rows = sqlx::query!(
        r#"with input as materialized (
               select * from unnest($1::uuid[], $2::int[], $3::text[], $5::uuid[]) as input (id, attempt, worker, event)
           ), known as materialized (
               -- By id alone: with its state named, the planner prefers the index of everything open, and reads it all.
               select id, attempt, state, worker, epoch, lease_until >= generation.clock_now() as stands,
                      started_at is null as first
               from generation.generations
               where id = any($1) order by id for update
           ), free as materialized (
               select known.id, input.worker, input.event, known.first,
                      known.state = 'running' and known.stands as same_holder
               from known join input on input.id = known.id and input.attempt = known.attempt
               where known.state = 'dispatched'
                  or (known.state = 'running'
                      and case when known.stands then known.worker = input.worker else known.epoch <= $6 end)
           ), started as (
               update generation.generations g set
                   state = 'running',
                   worker = free.worker,
                   lease_until = generation.clock_now() + make_interval(secs => $4),
                   epoch = g.epoch + case when free.same_holder then 0 else 1 end,
                   version = g.version + case when free.same_holder then 0 else 1 end,
                   started_at = coalesce(g.started_at, generation.clock_now())
               from free
               where g.id = free.id
               returning g.id, g.owner, g.attempt, g.epoch, g.version, g.prompt, g.negative_prompt, g.screening,
                         g.operation, g.settings, g.count, g.inputs, g.deployment, g.deadline,
                         g.route @> jsonb_build_array(
                             jsonb_build_object('deployment', g.deployment, 'own_key', true)
                         ) as own_key,
                         g.cancel_requested_at is not null as cancel_requested,
                         free.same_holder, free.first, free.event
           ), hooked as (
               insert into generation.webhook_deliveries (endpoint, event, owner, type, generation)
               select wants.id, started.event, started.owner, 'generation.started', started.id
               from started cross join lateral (
                   -- The limit, which nobody reaches, keeps this a look-up for each owner.
                   select e.id from generation.webhook_endpoints e
                   where e.owner = started.owner and e.enabled and 'generation.started' = any(e.events)
                   limit 1000
               ) wants
               where started.first
               on conflict on constraint webhook_deliveries_once do nothing
               returning generation
           )
           select id, owner, attempt, epoch, version, prompt, negative_prompt, screening, operation,
                  settings as "settings: Json<Settings>", count, inputs as "inputs: Json<Vec<Input>>", deployment,
                  deadline, own_key as "own_key!", cancel_requested as "cancel_requested!",
                  same_holder as "same_holder!", exists (select from hooked where hooked.generation = started.id) as "hooked!"
           from started"#,
        &generations,
        &attempts,
        &workers,
        terms.lease.as_seconds_f64(),
        &events,
        terms.takeovers,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let wording = Wording::from_texts(row.prompt, row.negative_prompt).map_err(broken)?;
            Ok(Started {
                generation: GenerationId::from_uuid(row.id),
                owner: UserId::from_uuid(row.owner),
                attempt: row.attempt,
                epoch: row.epoch,
                version: row.version,
                prompt: screened(wording, row.screening).map_err(broken)?,
                operation: Operation::parse(&row.operation).ok_or_else(|| broken(row.operation))?,
                settings: row.settings.0,
                count: row.count,
                inputs: row.inputs.0,
                deployment: row.deployment,
                deadline: row.deadline,
                own_key: row.own_key,
                cancel_requested: row.cancel_requested,
                again: row.same_holder,
                hooked: row.hooked,
            })
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the row was written with a decision")]
fn screened(wording: Wording, decision: String) -> Result<Screened, NotAllowed> {
    Screened::from_stored(wording, decision)
}
