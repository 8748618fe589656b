//! What owners do with their endpoints.

use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_runtime::database::{begin, begin_as};
use imagioo_types::{EventId, UserId, WebhookEndpointId};
use secrecy::SecretString;
use sqlx::PgConnection;
use time::Duration;

use super::address;
use super::delivery::{Delivery, DeliveryId};
use super::endpoint::{DisableReason, Endpoint};
use super::event::EventType;
use super::secret::WebhookSecret;
use crate::app::App;
use crate::db::{self, USER_ROLE};
use crate::error::Error;

/// A new endpoint as its owner wants it.
#[derive(Debug, Clone)]
pub(crate) struct Create {
    /// Empty when the caller gave none.
    pub(crate) request_id: String,
    pub(crate) body_hash: [u8; 32],
    pub(crate) url: String,
    pub(crate) description: String,
    /// Not empty.
    pub(crate) events: Vec<EventType>,
}

/// New values; nothing for what stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) url: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) events: Option<Vec<EventType>>,
    pub(crate) enabled: Option<bool>,
}

/// For how long a repetition of the call that made an endpoint is told its secret, so that an answer that was lost does no
/// harm. After that nobody is, and a rotation makes a new one.
const TOLD_AGAIN: Duration = Duration::minutes(10);

/// Adds an endpoint; answers it with its secret, unless a repeated call comes late or finds that rotated.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    call: Create,
) -> Result<(Endpoint, Option<SecretString>), Error> {
    let owner = caller.identity.user;
    let url = check(app, &call.url)?;
    let mut tx = begin(&app.pool).await?;
    db::webhook_endpoints::lock_owner(&mut tx, owner).await?;
    if let Some(earlier) = db::webhook_endpoints::find_by_request(&mut tx, owner, &call.request_id).await? {
        return repeat(app, &mut tx, earlier, &call.body_hash).await;
    }
    let most = i64::from(app.webhooks.config.endpoints_per_user);
    if db::webhook_endpoints::count(&mut tx, owner).await? >= most {
        let refusal = format!("there may be {most} webhook endpoints: delete one that is no longer needed");
        return Err(RpcError::new(Code::TooManyWebhooks, refusal).detail("limit", most).into());
    }
    let id = WebhookEndpointId::generate();
    let now = app.clock.now();
    let endpoint = Endpoint {
        id,
        owner,
        request_id: if call.request_id.is_empty() { id.to_string() } else { call.request_id },
        body_hash: call.body_hash.to_vec(),
        url,
        description: call.description,
        events: call.events,
        disabled: None,
        failing_since: None,
        old_secret_until: None,
        created_at: now,
        updated_at: now,
    };
    let secret = WebhookSecret::generate().map_err(RpcError::internal)?;
    let sealed = secret.seal(&app.webhooks.sealer, id).map_err(RpcError::internal)?;
    db::webhook_endpoints::insert(&mut tx, &endpoint).await?;
    db::webhook_secrets::insert(&mut tx, id, &sealed).await?;
    let endpoint = db::webhook_endpoints::find(&mut tx, id).await?.unwrap_or(endpoint);
    tx.commit().await?;
    tracing::info!(user = %owner, endpoint = %id, "webhook endpoint created");
    Ok((endpoint, Some(secret.text())))
}

/// The answer to a call that was answered before.
async fn repeat(
    app: &App,
    conn: &mut PgConnection,
    earlier: Endpoint,
    body_hash: &[u8],
) -> Result<(Endpoint, Option<SecretString>), Error> {
    if earlier.body_hash != body_hash {
        let refusal =
            "this request_id was used for another endpoint: repeat that call exactly, or choose another";
        return Err(RpcError::new(Code::RequestIdReused, refusal)
            .detail("endpoint", earlier.id.name())
            .into());
    }
    let first = db::webhook_secrets::first(conn, earlier.id, TOLD_AGAIN).await?;
    let open = |sealed: Vec<u8>| WebhookSecret::open(&app.webhooks.sealer, earlier.id, &sealed);
    let secret = first.map(open).transpose().map_err(RpcError::internal)?;
    Ok((earlier, secret.map(|secret| secret.text())))
}

/// The caller's endpoint.
pub(crate) async fn get(app: &App, caller: &Caller, id: WebhookEndpointId) -> Result<Endpoint, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::webhook_endpoints::find_owned(&mut tx, owner, id).await?;
    tx.commit().await?;
    found.ok_or_else(not_found)
}

/// One page of the caller's endpoints, newest first.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    before: Option<WebhookEndpointId>,
    limit: i64,
) -> Result<Vec<Endpoint>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::webhook_endpoints::list(&mut tx, owner, before, limit).await?;
    tx.commit().await?;
    Ok(found)
}

/// Changes an endpoint. What waits for one that is switched off is given up.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: WebhookEndpointId,
    change: Change,
) -> Result<Endpoint, Error> {
    let url = change.url.map(|url| check(app, &url)).transpose()?;
    let mut tx = begin(&app.pool).await?;
    let endpoint = lock(&mut tx, caller.identity.user, id).await?;
    let disabled = match change.enabled {
        Some(true) => None,
        Some(false) => Some(endpoint.disabled.map_or(DisableReason::Owner, |(reason, _)| reason)),
        None => endpoint.disabled.map(|(reason, _)| reason),
    };
    let url = url.unwrap_or(endpoint.url);
    let description = change.description.unwrap_or(endpoint.description);
    let events = change.events.unwrap_or(endpoint.events);
    db::webhook_endpoints::update(&mut tx, id, (&url, &description, &events), disabled).await?;
    if disabled.is_some() {
        db::webhook_deliveries::give_up(&mut tx, id).await?;
    }
    let endpoint = db::webhook_endpoints::find(&mut tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(endpoint)
}

/// Removes an endpoint with its secrets and its log.
pub(crate) async fn delete(app: &App, caller: &Caller, id: WebhookEndpointId) -> Result<(), Error> {
    let owner = caller.identity.user;
    let deleted = db::webhook_endpoints::delete(&mut *app.pool.acquire().await?, owner, id).await?;
    if !deleted {
        return Err(not_found());
    }
    tracing::info!(user = %owner, endpoint = %id, "webhook endpoint deleted");
    Ok(())
}

/// Gives an endpoint a new secret; the one before signs for a while, too.
pub(crate) async fn rotate(
    app: &App,
    caller: &Caller,
    id: WebhookEndpointId,
) -> Result<(Endpoint, SecretString), Error> {
    let mut tx = begin(&app.pool).await?;
    lock(&mut tx, caller.identity.user, id).await?;
    let secret = WebhookSecret::generate().map_err(RpcError::internal)?;
    let sealed = secret.seal(&app.webhooks.sealer, id).map_err(RpcError::internal)?;
    db::webhook_secrets::rotate(&mut tx, id, &sealed).await?;
    db::webhook_endpoints::keep_old_secret(&mut tx, id, app.webhooks.config.rotation()).await?;
    let endpoint = db::webhook_endpoints::find(&mut tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    tracing::info!(user = %caller.identity.user, endpoint = %id, "webhook secret rotated");
    Ok((endpoint, secret.text()))
}

/// Sends a test event, unless one still waits.
pub(crate) async fn test(app: &App, caller: &Caller, id: WebhookEndpointId) -> Result<Delivery, Error> {
    let owner = caller.identity.user;
    let mut tx = begin(&app.pool).await?;
    let endpoint = lock(&mut tx, owner, id).await?;
    must_receive(&endpoint)?;
    if let Some(waiting) = db::webhook_deliveries::find_waiting_test(&mut tx, id).await? {
        return Ok(waiting);
    }
    let delivery = DeliveryId { endpoint: id, event: EventId::generate() };
    db::webhook_deliveries::insert_test(&mut tx, owner, delivery).await?;
    let found = db::webhook_deliveries::find_owned(&mut tx, owner, delivery).await?;
    tx.commit().await?;
    app.webhooks.wake.notify_one();
    found.ok_or_else(not_found)
}

/// Refuses what a disabled endpoint would never receive.
pub(super) fn must_receive(endpoint: &Endpoint) -> Result<(), RpcError> {
    let Some((reason, _)) = endpoint.disabled else { return Ok(()) };
    let refusal = "the webhook endpoint is disabled: enable it first";
    Err(RpcError::new(Code::WebhookDisabled, refusal)
        .detail("disable_reason", reason.as_str().to_uppercase()))
}

/// The caller's endpoint, locked against other changes.
pub(super) async fn lock(
    conn: &mut PgConnection,
    owner: UserId,
    id: WebhookEndpointId,
) -> Result<Endpoint, Error> {
    db::webhook_endpoints::lock_owned(conn, owner, id).await?.ok_or_else(not_found)
}

pub(super) fn not_found() -> Error {
    RpcError::not_found("webhook endpoint").into()
}

fn check(app: &App, url: &str) -> Result<String, RpcError> {
    address::check(url, &app.webhooks.config.trusted_hosts).map_err(|error| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("endpoint.url", error.to_string())
    })
}
