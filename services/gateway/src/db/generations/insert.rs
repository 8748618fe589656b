//! Inserting accepted generations: many rows, one statement, each with or without a slot at once.

use imagioo_picture::{Operation, Settings};
use imagioo_types::{Credits, GenerationId, Screened, UserId};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::State;
use crate::catalogue::Stop;
use crate::db::broken;
use crate::dispatch::Share;
use crate::generation::{Generation, Input};

/// An accepted generation: validated, priced, screened and paid for.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: GenerationId,
    pub(crate) owner: UserId,
    pub(crate) request_id: String,
    pub(crate) body_hash: [u8; 32],
    pub(crate) model: String,
    pub(crate) operation: Operation,
    pub(crate) settings: Settings,
    pub(crate) count: i32,
    pub(crate) prompt: Screened,
    pub(crate) inputs: Vec<Input>,
    /// What it was derived from, with the first of its kind.
    pub(crate) parent: Option<Lineage>,
    /// Where it may run, with prices; empty when there is no choice and it is the operator's key.
    pub(crate) route: Vec<Stop>,
    /// The version of the preset that is used, by name.
    pub(crate) preset: Option<String>,
    pub(crate) deployment: String,
    pub(crate) catalogue_version: String,
    pub(crate) price: Credits,
    pub(crate) share: Share,
    /// Whether the deployment has room now, so that it may be dispatched without waiting for the dispatcher.
    pub(crate) open: bool,
    pub(crate) start_within: Duration,
    pub(crate) end_within: Duration,
    /// The `traceparent` of the call that creates it.
    pub(crate) trace: Option<String>,
}

/// Where a generation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) parent: GenerationId,
    pub(crate) root: GenerationId,
}

impl New {
    /// The row that an insert left.
    pub(crate) fn into_generation(self, state: State, created: Created) -> Generation {
        Generation {
            id: self.id,
            owner: self.owner,
            request_id: self.request_id,
            body_hash: self.body_hash.to_vec(),
            state,
            version: 1,
            model: self.model,
            operation: self.operation,
            settings: self.settings,
            count: self.count,
            wording: self.prompt.wording().clone(),
            inputs: self.inputs,
            parent: self.parent.map(|lineage| lineage.parent),
            route: self.route,
            provider_key: None,
            preset: self.preset,
            deployment: self.deployment,
            catalogue_version: self.catalogue_version,
            price: self.price,
            charge: None,
            attempt: 1,
            failure: None,
            cancel_requested: false,
            deadline: created.deadline,
            created_at: created.at,
            dispatched_at: None,
            started_at: None,
            ended_at: None,
        }
    }
}

/// What an insert found or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inserted {
    pub(crate) id: GenerationId,
    pub(crate) state: State,
    /// Present when this statement created the row.
    pub(crate) created: Option<Created>,
}

/// What the database adds to a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) at: OffsetDateTime,
    pub(crate) deadline: OffsetDateTime,
}

/// Inserts what does not exist yet. A user who has a free slot, nothing waiting, and an open queue gets the slot.
///
/// A user who has nothing waiting joins the queue at the virtual time of the first who waits: never before, and at most
/// one full cap after, whatever they had while nobody else wanted it.
///
/// Rows must be sorted by owner and have distinct ids. Answers one entry per row, in no order.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[New]) -> Result<Vec<Inserted>, sqlx::Error> {
    fn column<T>(rows: &[New], read: impl Fn(&New) -> T) -> Vec<T> {
        rows.iter().map(read).collect()
    }
    let settings = rows
        .iter()
        .map(|row| serde_json::to_value(&row.settings).map_err(broken))
        .collect::<Result<Vec<_>, _>>()?;
    let inputs = rows
        .iter()
        .map(|row| serde_json::to_value(&row.inputs).map_err(broken))
        .collect::<Result<Vec<_>, _>>()?;
    let routes = rows
        .iter()
        .map(|row| serde_json::to_value(&row.route).map_err(broken))
        .collect::<Result<Vec<_>, _>>()?;
    let found = sqlx::query!(
        r#"with input as materialized (
               select * from unnest(
                   $1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::jsonb[], $8::int[],
                   $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::float8[], $15::int[],
                   $16::bool[], $17::float8[], $18::float8[], $19::text[], $20::text[], $21::jsonb[], $22::uuid[],
                   $23::uuid[], $24::jsonb[], $25::text[]
               ) with ordinality as input (
                   id, owner, request_id, body_hash, model, operation, settings, count, prompt, screening, deployment,
                   catalogue_version, price, weight, cap, open, start_within, end_within, trace,
                   negative_prompt, inputs, parent, root, route, preset, place
               )
           ), existing as materialized (
               select id, state from generation.generations where id = any($1)
           ), fresh as materialized (
               select *, row_number() over (partition by owner, deployment order by place) as turn
               from input where id not in (select id from existing)
           ), wanted as (
               select owner, deployment, count(*)::int as many, max(weight) as weight, max(cap) as cap,
                      coalesce((
                          select min(w.vtime) from generation.dispatch_users w
                          where w.queue = deployment and w.queued > 0
                      ), 0) as vtime,
                      bool_and(open) and not exists (
                          select from generation.backlog b where b.queue = deployment
                      ) as open
               from fresh group by owner, deployment order by owner, deployment
           ), slots as (
               insert into generation.dispatch_users as u
                   (owner, queue, weight, cap, queued, in_flight, vtime, granted)
               select owner, deployment, weight, cap,
                      many - case when open then least(many, cap) else 0 end,
                      case when open then least(many, cap) else 0 end,
                      vtime + case when open then least(many, cap) else 0 end / weight,
                      case when open then least(many, cap) else 0 end
               from wanted
               on conflict (owner, queue) do update set
                   weight = excluded.weight,
                   cap = excluded.cap,
                   granted = case when u.queued > 0 then 0
                                  else greatest(0, least(excluded.granted, excluded.cap - u.in_flight)) end,
                   queued = u.queued + excluded.queued + excluded.granted
                          - case when u.queued > 0 then 0
                                 else greatest(0, least(excluded.granted, excluded.cap - u.in_flight)) end,
                   in_flight = u.in_flight
                          + case when u.queued > 0 then 0
                                 else greatest(0, least(excluded.granted, excluded.cap - u.in_flight)) end,
                   vtime = case when u.queued > 0 then u.vtime
                                else least(
                                         greatest(u.vtime, excluded.vtime - excluded.granted / excluded.weight),
                                         excluded.vtime + (excluded.cap - excluded.granted) / excluded.weight
                                     )
                                   + greatest(0, least(excluded.granted, excluded.cap - u.in_flight))
                                     / excluded.weight end
               returning owner, queue, granted
           ), created as (
               insert into generation.generations (
                   id, owner, request_id, body_hash, state, model, operation, settings, count, prompt, screening,
                   deployment, catalogue_version, price, dispatched_at, start_deadline, deadline, created_at, trace,
                   negative_prompt, inputs, parent, root, route, preset
               )
               select f.id, f.owner, f.request_id, f.body_hash,
                      case when f.turn <= s.granted then 'dispatched' else 'queued' end,
                      f.model, f.operation, f.settings, f.count, f.prompt, f.screening, f.deployment,
                      f.catalogue_version, f.price,
                      case when f.turn <= s.granted then generation.clock_now() end,
                      generation.clock_now() + make_interval(secs => f.start_within),
                      generation.clock_now() + make_interval(secs => f.end_within),
                      generation.clock_now(), f.trace, f.negative_prompt, f.inputs, f.parent, f.root,
                      f.route, f.preset
               from fresh f join slots s on s.owner = f.owner and s.queue = f.deployment
               returning id, owner, deployment, state, created_at, deadline
           ), waiting as (
               insert into generation.backlog (generation, queue, owner, attempt)
               select id, deployment, owner, 1 from created where state = 'queued'
           )
           select id as "id!", state as "state!", created_at, deadline from created
           union all
           select id, state, null, null from existing"#,
        &column(rows, |row| row.id.uuid()),
        &column(rows, |row| row.owner.uuid()),
        &column(rows, |row| row.request_id.clone()),
        &column(rows, |row| row.body_hash.to_vec()),
        &column(rows, |row| row.model.clone()),
        &column(rows, |row| row.operation.as_str().to_owned()),
        &settings,
        &column(rows, |row| row.count),
        &column(rows, |row| row.prompt.wording().prompt_text().to_owned()),
        &column(rows, |row| row.prompt.decision().to_owned()),
        &column(rows, |row| row.deployment.clone()),
        &column(rows, |row| row.catalogue_version.clone()),
        &column(rows, |row| row.price.get()),
        &column(rows, |row| row.share.weight),
        &column(rows, |row| row.share.cap),
        &column(rows, |row| row.open),
        &column(rows, |row| row.start_within.as_seconds_f64()),
        &column(rows, |row| row.end_within.as_seconds_f64()),
        &column(rows, |row| row.trace.clone()) as &[Option<String>],
        &column(rows, |row| row.prompt.wording().negative_text().to_owned()),
        &inputs,
        &column(rows, |row| row.parent.map(|lineage| lineage.parent.uuid())) as &[Option<Uuid>],
        &column(rows, |row| row.parent.map(|lineage| lineage.root.uuid())) as &[Option<Uuid>],
        &routes,
        &column(rows, |row| row.preset.clone()) as &[Option<String>],
    )
    .fetch_all(conn)
    .await?;
    found
        .into_iter()
        .map(|row| {
            let state = State::try_from(row.state).map_err(broken)?;
            let created = row.created_at.zip(row.deadline).map(|(at, deadline)| Created { at, deadline });
            Ok(Inserted { id: GenerationId::from_uuid(row.id), state, created })
        })
        .collect()
}
