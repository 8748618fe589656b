//! `generation.generations`: look-ups. The statements that change rows are in the modules beneath.

use imagioo_picture::{Operation, Settings};
use imagioo_types::{Credits, GenerationId, UserId, Wording};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::broken;
use crate::catalogue::Stop;
use crate::generation::{Failure, Generation, Input, State};
use crate::provider_key::KeyId;

pub(crate) mod cancel;
pub(crate) mod changes;
pub(crate) mod insert;
pub(crate) mod lease;
pub(crate) mod reroute;
pub(crate) mod settle;
pub(crate) mod start;
pub(crate) mod sweep;
pub(crate) mod tombstone;

/// The row as it is stored.
struct Row {
    id: Uuid,
    owner: Uuid,
    request_id: String,
    body_hash: Vec<u8>,
    state: String,
    version: i64,
    model: String,
    operation: String,
    settings: Json<Settings>,
    count: i32,
    prompt: String,
    negative_prompt: String,
    inputs: Json<Vec<Input>>,
    parent: Option<Uuid>,
    route: Json<Vec<Stop>>,
    provider_key: Option<Uuid>,
    preset: Option<String>,
    deployment: String,
    catalogue_version: String,
    price: i64,
    charge: Option<i64>,
    attempt: i32,
    failure: Option<Json<Failure>>,
    cancel_requested_at: Option<OffsetDateTime>,
    deadline: OffsetDateTime,
    created_at: OffsetDateTime,
    dispatched_at: Option<OffsetDateTime>,
    started_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Generation {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: GenerationId::from_uuid(row.id),
            owner: UserId::from_uuid(row.owner),
            request_id: row.request_id,
            body_hash: row.body_hash,
            state: State::try_from(row.state).map_err(broken)?,
            version: row.version,
            model: row.model,
            operation: Operation::parse(&row.operation).ok_or_else(|| broken(row.operation))?,
            settings: row.settings.0,
            count: row.count,
            wording: Wording::from_texts(row.prompt, row.negative_prompt).map_err(broken)?,
            inputs: row.inputs.0,
            parent: row.parent.map(GenerationId::from_uuid),
            route: row.route.0,
            provider_key: row.provider_key.map(KeyId),
            preset: row.preset,
            deployment: row.deployment,
            catalogue_version: row.catalogue_version,
            price: Credits::new(row.price),
            charge: row.charge.map(Credits::new),
            attempt: row.attempt,
            failure: row.failure.map(|failure| failure.0),
            cancel_requested: row.cancel_requested_at.is_some(),
            deadline: row.deadline,
            created_at: row.created_at,
            dispatched_at: row.dispatched_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

/// A checked look-up of whole rows: what follows `from`, then its arguments.
macro_rules! select {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, owner, request_id, body_hash, state, version, model, operation,
                      settings as "settings: Json<Settings>", count, prompt, negative_prompt,
                      inputs as "inputs: Json<Vec<Input>>", parent, preset, provider_key, route as "route: Json<Vec<Stop>>", deployment,
                      catalogue_version, price, charge, attempt, failure as "failure: Json<Failure>",
                      cancel_requested_at, deadline, created_at, dispatched_at, started_at, ended_at
               from generation.generations "# + $rest,
            $($argument),+
        )
    };
}

/// The generation with this id, whoever owns it.
pub(crate) async fn find(
    conn: &mut PgConnection,
    id: GenerationId,
) -> Result<Option<Generation>, sqlx::Error> {
    let row = select!(r#"where id = $1 and state <> 'void'"#, id.uuid(),).fetch_optional(conn).await?;
    row.map(Generation::try_from).transpose()
}

/// The owner's generation with this id.
pub(crate) async fn find_owned(
    conn: &mut PgConnection,
    owner: UserId,
    id: GenerationId,
) -> Result<Option<Generation>, sqlx::Error> {
    Ok(find(conn, id).await?.filter(|generation| generation.owner == owner))
}

/// The owner's generation that this idempotency key stands for.
pub(crate) async fn find_by_request(
    conn: &mut PgConnection,
    owner: UserId,
    request_id: &str,
) -> Result<Option<Generation>, sqlx::Error> {
    let row =
        select!(r#"where owner = $1 and request_id = $2 and state <> 'void'"#, owner.uuid(), request_id,)
            .fetch_optional(conn)
            .await?;
    row.map(Generation::try_from).transpose()
}

/// The owner's generations older than `before`, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    owner: UserId,
    before: Option<GenerationId>,
    limit: i64,
) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = select!(
        r#"where owner = $1 and state <> 'void' and ($2::uuid is null or id < $2)
           order by id desc
           limit $3"#,
        owner.uuid(),
        before.map(GenerationId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Generation::try_from).collect()
}

/// Those of these generations that are the owner's, oldest first.
pub(crate) async fn list_named(
    conn: &mut PgConnection,
    owner: UserId,
    ids: &[Uuid],
) -> Result<Vec<Generation>, sqlx::Error> {
    let rows =
        select!(r#"where id = any($2) and owner = $1 and state <> 'void' order by id"#, owner.uuid(), ids,)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(Generation::try_from).collect()
}

/// The first of its kind and the owner's generations derived from it, older than `before`, newest first.
pub(crate) async fn list_versions(
    conn: &mut PgConnection,
    owner: UserId,
    root: GenerationId,
    (before, limit): (Option<GenerationId>, i64),
) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = select!(
        r#"where id in (
               select $2::uuid union all select id from generation.generations where owner = $1 and root = $2
           )
             and owner = $1 and state <> 'void' and ($3::uuid is null or id < $3)
           order by id desc
           limit $4"#,
        owner.uuid(),
        root.uuid(),
        before.map(GenerationId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Generation::try_from).collect()
}

/// The first of the kind of the owner's generation.
pub(crate) async fn find_root(
    conn: &mut PgConnection,
    owner: UserId,
    id: GenerationId,
) -> Result<Option<GenerationId>, sqlx::Error> {
    let root = sqlx::query_scalar!(
        r#"select coalesce(root, id) as "root!" from generation.generations
           where id = $1 and owner = $2 and state <> 'void'"#,
        id.uuid(),
        owner.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(root.map(GenerationId::from_uuid))
}

/// Generations without an outcome.
pub(crate) async fn count_open(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from generation.generations
           where state in ('queued', 'dispatched', 'running')"#
    )
    .fetch_one(conn)
    .await
}
