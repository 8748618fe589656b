//! `generation.webhook_endpoints`: addresses that receive events.

use imagioo_types::{UserId, WebhookEndpointId};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::broken;
use crate::webhooks::endpoint::{DisableReason, Endpoint};
use crate::webhooks::event::EventType;

/// The row as it is stored.
struct Row {
    id: Uuid,
    owner: Uuid,
    request_id: String,
    body_hash: Vec<u8>,
    url: String,
    description: String,
    events: Vec<String>,
    disable_reason: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    old_secret_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Endpoint {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let events = row.events.iter().map(|name| EventType::parse(name).map_err(broken));
        let reason = row.disable_reason.map(DisableReason::try_from).transpose().map_err(broken)?;
        Ok(Self {
            id: WebhookEndpointId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner),
            request_id: row.request_id,
            body_hash: row.body_hash,
            url: row.url,
            description: row.description,
            events: events.collect::<Result<_, _>>()?,
            disabled: reason.zip(row.disabled_at),
            failing_since: row.failing_since,
            old_secret_until: row.old_secret_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// A checked look-up of whole rows: what follows `from`, then its arguments.
macro_rules! select {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, owner, request_id, body_hash, url, description, events, disable_reason, disabled_at,
                      failing_since,
                      case when old_secret_until > generation.clock_now() then old_secret_until end as old_secret_until,
                      created_at, updated_at
               from generation.webhook_endpoints "# + $rest,
            $($argument),+
        )
    };
}

fn names(events: &[EventType]) -> Vec<String> {
    events.iter().map(|event| event.as_str().to_owned()).collect()
}

/// Lets one request at a time add endpoints of this owner, until its transaction ends.
pub(crate) async fn lock_owner(conn: &mut PgConnection, owner: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", format!("webhooks of {owner}"))
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds an endpoint that receives events.
pub(crate) async fn insert(conn: &mut PgConnection, endpoint: &Endpoint) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.webhook_endpoints (id, owner, request_id, body_hash, url, description, events)
           values ($1, $2, $3, $4, $5, $6, $7)"#,
        endpoint.id.uuid(),
        endpoint.owner.uuid(),
        endpoint.request_id,
        endpoint.body_hash,
        endpoint.url,
        endpoint.description,
        &names(&endpoint.events),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Endpoints of an owner, disabled ones included.
pub(crate) async fn count(conn: &mut PgConnection, owner: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from generation.webhook_endpoints where owner = $1"#,
        owner.uuid(),
    )
    .fetch_one(conn)
    .await
}

/// The endpoint with this id, whoever owns it.
pub(crate) async fn find(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, sqlx::Error> {
    select!(r#"where id = $1"#, id.uuid()).fetch_optional(conn).await?.map(Endpoint::try_from).transpose()
}

/// The owner's endpoint with this id.
pub(crate) async fn find_owned(
    conn: &mut PgConnection,
    owner: UserId,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, sqlx::Error> {
    Ok(find(conn, id).await?.filter(|endpoint| endpoint.owner == owner))
}

/// The owner's endpoint with this id, which nobody else changes until the transaction ends.
pub(crate) async fn lock_owned(
    conn: &mut PgConnection,
    owner: UserId,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, sqlx::Error> {
    let row = select!(r#"where id = $1 and owner = $2 for no key update"#, id.uuid(), owner.uuid())
        .fetch_optional(conn)
        .await?;
    row.map(Endpoint::try_from).transpose()
}

/// The owner's endpoint that this idempotency key stands for.
pub(crate) async fn find_by_request(
    conn: &mut PgConnection,
    owner: UserId,
    request_id: &str,
) -> Result<Option<Endpoint>, sqlx::Error> {
    let row = select!(r#"where owner = $1 and request_id = $2"#, owner.uuid(), request_id)
        .fetch_optional(conn)
        .await?;
    row.map(Endpoint::try_from).transpose()
}

/// The owner's endpoints older than `before`, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    owner: UserId,
    before: Option<WebhookEndpointId>,
    limit: i64,
) -> Result<Vec<Endpoint>, sqlx::Error> {
    let rows = select!(
        r#"where owner = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"#,
        owner.uuid(),
        before.map(WebhookEndpointId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Endpoint::try_from).collect()
}

/// Changes what its owner may change. Its failures are forgotten: they were another address's, or are forgiven.
pub(crate) async fn update(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
    (url, description, events): (&str, &str, &[EventType]),
    disable_reason: Option<DisableReason>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"update generation.webhook_endpoints set
               url = $2, description = $3, events = $4, enabled = $5::text is null, disable_reason = $5,
               disabled_at = case when $5::text is not null then coalesce(disabled_at, generation.clock_now()) end,
               failing_since = null, failures = 0, updated_at = generation.clock_now()
           where id = $1"#,
        id.uuid(),
        url,
        description,
        &names(events),
        disable_reason.map(DisableReason::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says until when the previous secret signs, too.
pub(crate) async fn keep_old_secret(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
    overlap: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"update generation.webhook_endpoints
           set old_secret_until = generation.clock_now() + make_interval(secs => $2),
               updated_at = generation.clock_now()
           where id = $1"#,
        id.uuid(),
        overlap.as_seconds_f64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the owner's endpoint with everything beneath it; false when there is none.
pub(crate) async fn delete(
    conn: &mut PgConnection,
    owner: UserId,
    id: WebhookEndpointId,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from generation.webhook_endpoints where id = $1 and owner = $2",
        id.uuid(),
        owner.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Notes that something arrived.
pub(crate) async fn recovered(conn: &mut PgConnection, id: WebhookEndpointId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"update generation.webhook_endpoints set failing_since = null, failures = 0
           where id = $1 and failing_since is not null"#,
        id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that something did not arrive; whether nothing has for `long` and at least `often` times.
pub(crate) async fn failed(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
    (long, often): (Duration, i32),
) -> Result<bool, sqlx::Error> {
    let lost = sqlx::query_scalar!(
        r#"update generation.webhook_endpoints
           set failing_since = coalesce(failing_since, generation.clock_now()), failures = failures + 1
           where id = $1
           returning failing_since <= generation.clock_now() - make_interval(secs => $2)
                     and failures >= $3 as "lost!""#,
        id.uuid(),
        long.as_seconds_f64(),
        often,
    )
    .fetch_optional(conn)
    .await?;
    Ok(lost.unwrap_or(false))
}

/// Switches an endpoint off; false when it was off already.
pub(crate) async fn disable(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
    reason: DisableReason,
) -> Result<bool, sqlx::Error> {
    let disabled = sqlx::query!(
        r#"update generation.webhook_endpoints
           set enabled = false, disable_reason = $2, disabled_at = generation.clock_now()
           where id = $1 and enabled"#,
        id.uuid(),
        reason.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(disabled.rows_affected() == 1)
}
