//! Taking what is due, and writing down what became of it.

use sqlx::PgConnection;
use time::Duration;
use uuid::Uuid;

use super::Row;
use crate::webhooks::delivery::{Claimed, Delivery, DeliveryId, DeliveryState};

/// How much may be taken at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// In all.
    pub(crate) total: i64,
    /// Under way at one endpoint, here and on other replicas.
    pub(crate) per_endpoint: i64,
}

/// Takes what is due for this replica, until the lease ends. Endpoints that have the least under way come first, so that
/// a slow one, or one with a long backlog, holds up no other.
///
/// It goes from endpoint to endpoint by the index of what waits, and reads no more of each than it may take.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    claim: Uuid,
    room: Room,
    lease: Duration,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"with recursive waiting as (
               (select endpoint from generation.webhook_deliveries
                where state = 'pending' order by endpoint limit 1)
               union all
               select (select d.endpoint from generation.webhook_deliveries d
                       where d.state = 'pending' and d.endpoint > w.endpoint order by d.endpoint limit 1)
               from waiting w where w.endpoint is not null
           ), free as materialized (
               select w.endpoint, $2 - (
                   select count(*) from generation.webhook_deliveries f
                   where f.endpoint = w.endpoint and f.claim is not null and f.due_at > generation.clock_now()
               ) as slots
               from waiting w where w.endpoint is not null
           ), due as materialized (
               select d.place
               from free cross join lateral (
                   select ctid as place, due_at from generation.webhook_deliveries
                   where endpoint = free.endpoint and state = 'pending' and due_at <= generation.clock_now()
                   order by due_at limit greatest(free.slots, 0) for update skip locked
               ) d
               order by free.slots desc, d.due_at
               limit $1
           )
           update generation.webhook_deliveries d set
               claim = $3, due_at = generation.clock_now() + make_interval(secs => $4), attempts = d.attempts + 1
           -- The rows are locked, so they are still where they were; by key, the planner may prefer to read the table.
           where d.ctid = any(array(select place from due))
           returning d.endpoint, d.event, d.owner, d.type, d.generation, d.about, d.state, d.attempts,
                     d.due_at as next_at, d.since, d.created_at"#,
        room.total,
        room.per_endpoint,
        claim,
        lease.as_seconds_f64(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok(Claimed { delivery: Delivery::try_from(row)?, claim })).collect()
}

/// What a delivery becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Delivered,
    Failed,
    /// Sent again after this long, if that is within the time allowed since it was first meant to be sent, and if the
    /// endpoint still receives events.
    Again {
        after: Duration,
        within: Duration,
    },
}

/// Writes down what becomes of a delivery that this replica has taken; nothing when another one has taken it meanwhile.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    claimed: &Claimed,
    next: Next,
) -> Result<Option<DeliveryState>, sqlx::Error> {
    let (state, after, within) = match next {
        Next::Delivered => (DeliveryState::Delivered, Duration::ZERO, Duration::ZERO),
        Next::Failed => (DeliveryState::Failed, Duration::ZERO, Duration::ZERO),
        Next::Again { after, within } => (DeliveryState::Pending, after, within),
    };
    let DeliveryId { endpoint, event } = claimed.delivery.id;
    let state = sqlx::query_scalar!(
        r#"with outcome as (
               select d.endpoint, d.event, generation.clock_now() + make_interval(secs => $5) as due_at,
                      case when $4 <> 'pending' then $4
                           when e.enabled and generation.clock_now() + make_interval(secs => $5)
                                              <= d.since + make_interval(secs => $6) then 'pending'
                           else 'failed' end as state
               from generation.webhook_deliveries d join generation.webhook_endpoints e on e.id = d.endpoint
               where d.endpoint = $1 and d.event = $2
           )
           update generation.webhook_deliveries d set
               state = outcome.state, claim = null,
               due_at = case when outcome.state = 'pending' then outcome.due_at end,
               ended_at = case when outcome.state <> 'pending' then generation.clock_now() end
           from outcome
           -- Its state is not named: the planner would prefer the index of what waits, and read all of the endpoint's.
           where d.endpoint = outcome.endpoint and d.event = outcome.event and d.claim = $3
           returning d.state"#,
        endpoint.uuid(),
        event.uuid(),
        claimed.claim,
        state.as_str(),
        after.as_seconds_f64(),
        within.as_seconds_f64(),
    )
    .fetch_optional(conn)
    .await?;
    state.map(|state| DeliveryState::try_from(state).map_err(crate::db::broken)).transpose()
}

/// Forgets deliveries that were over `age` ago; answers how many.
pub(crate) async fn delete_old(
    conn: &mut PgConnection,
    age: Duration,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"delete from generation.webhook_deliveries d using (
               select endpoint, event from generation.webhook_deliveries
               where ended_at < generation.clock_now() - make_interval(secs => $1)
               order by ended_at limit $2 for update skip locked
           ) old
           where d.endpoint = old.endpoint and d.event = old.event"#,
        age.as_seconds_f64(),
        limit,
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}
