//! `generation.webhook_deliveries`: look-ups and what owners do. Outcomes of generations are added where they are settled.

use imagioo_types::{EventId, GenerationId, UserId, WebhookEndpointId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::broken;
use crate::webhooks::delivery::{Delivery, DeliveryId, DeliveryState, Subject};
use crate::webhooks::event::EventType;

pub(crate) mod sending;

/// The row as it is stored.
struct Row {
    endpoint: Uuid,
    event: Uuid,
    owner: Uuid,
    r#type: String,
    generation: Option<Uuid>,
    about: Option<Uuid>,
    state: String,
    attempts: i32,
    next_at: Option<OffsetDateTime>,
    since: OffsetDateTime,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Delivery {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let subject = match (row.generation, row.about) {
            (Some(generation), _) => Subject::Generation(GenerationId::from_uuid(generation)),
            (None, Some(endpoint)) => Subject::Endpoint(WebhookEndpointId::from_uuid(endpoint)),
            (None, None) => return Err(broken("an event about nothing")),
        };
        Ok(Self {
            id: DeliveryId {
                endpoint: WebhookEndpointId::from_uuid(row.endpoint),
                event: EventId::from_uuid(row.event),
            },
            owner: UserId::from_uuid(row.owner),
            event: EventType::parse(&row.r#type).map_err(broken)?,
            subject,
            state: DeliveryState::try_from(row.state).map_err(broken)?,
            attempts: row.attempts,
            next_at: row.next_at,
            since: row.since,
            created_at: row.created_at,
        })
    }
}

/// A checked look-up of whole rows: what follows `from`, then its arguments.
macro_rules! select {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select endpoint, event, owner, type, generation, about, state, attempts,
                      case when claim is null then due_at end as next_at, since, created_at
               from generation.webhook_deliveries "# + $rest,
            $($argument),+
        )
    };
}

/// The owner's delivery.
pub(crate) async fn find_owned(
    conn: &mut PgConnection,
    owner: UserId,
    id: DeliveryId,
) -> Result<Option<Delivery>, sqlx::Error> {
    let (endpoint, event) = (id.endpoint.uuid(), id.event.uuid());
    let row = select!(r#"where endpoint = $1 and event = $2 and owner = $3"#, endpoint, event, owner.uuid())
        .fetch_optional(conn)
        .await?;
    row.map(Delivery::try_from).transpose()
}

/// The deliveries to the owner's endpoint older than `before`, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    (owner, endpoint): (UserId, WebhookEndpointId),
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let rows = select!(
        r#"where endpoint = $1 and owner = $2 and ($3::uuid is null or event < $3)
           order by event desc limit $4"#,
        endpoint.uuid(),
        owner.uuid(),
        before.map(EventId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// The test event that still waits for this endpoint.
pub(crate) async fn find_waiting_test(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
) -> Result<Option<Delivery>, sqlx::Error> {
    let row = select!(
        r#"where endpoint = $1 and state = 'pending' and type = 'webhook.test' limit 1"#,
        endpoint.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Delivery::try_from).transpose()
}

/// Adds a test event for an endpoint.
pub(crate) async fn insert_test(
    conn: &mut PgConnection,
    owner: UserId,
    id: DeliveryId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into generation.webhook_deliveries (endpoint, event, owner, type, about)
           values ($1, $2, $3, $4, $1)"#,
        id.endpoint.uuid(),
        id.event.uuid(),
        owner.uuid(),
        EventType::WebhookTest.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the owner's other endpoints that one was switched off; answers how many want to know.
pub(crate) async fn insert_notices(
    conn: &mut PgConnection,
    event: EventId,
    disabled: WebhookEndpointId,
) -> Result<u64, sqlx::Error> {
    let told = sqlx::query!(
        r#"insert into generation.webhook_deliveries (endpoint, event, owner, type, about)
           select other.id, $1, other.owner, $3, this.id
           from generation.webhook_endpoints this
           join generation.webhook_endpoints other on other.owner = this.owner and other.id <> this.id
           where this.id = $2 and other.enabled and $3 = any(other.events)"#,
        event.uuid(),
        disabled.uuid(),
        EventType::WebhookDisabled.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(told.rows_affected())
}

/// Sends an event once more, at once, with the whole time allowed for it. One that is being sent now stays as it is.
pub(crate) async fn replay(conn: &mut PgConnection, id: DeliveryId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"update generation.webhook_deliveries
           set state = 'pending', due_at = generation.clock_now(), since = generation.clock_now(), ended_at = null
           where endpoint = $1 and event = $2 and claim is null"#,
        id.endpoint.uuid(),
        id.event.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives up everything that waits for an endpoint. What is being sent now ends by itself.
pub(crate) async fn give_up(
    conn: &mut PgConnection,
    endpoint: WebhookEndpointId,
) -> Result<u64, sqlx::Error> {
    let given_up = sqlx::query!(
        r#"update generation.webhook_deliveries
           set state = 'failed', due_at = null, ended_at = generation.clock_now()
           where endpoint = $1 and state = 'pending' and claim is null"#,
        endpoint.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(given_up.rows_affected())
}
