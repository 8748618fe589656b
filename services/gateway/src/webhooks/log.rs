//! The log of an endpoint: what was sent to it, and sending it once more.

use imagioo_rpc::{Caller, RpcError};
use imagioo_runtime::database::{begin, begin_as};
use imagioo_types::{EventId, WebhookEndpointId};

use super::delivery::{Attempt, Delivery, DeliveryId};
use super::endpoints::{lock, must_receive, not_found};
use crate::app::App;
use crate::db::{self, USER_ROLE};
use crate::error::Error;

/// Attempts that are shown of one delivery.
const SHOWN: i64 = 100;

/// A delivery with attempts, newest first.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) delivery: Delivery,
    pub(crate) attempts: Vec<Attempt>,
}

/// The caller's delivery with its latest attempts.
pub(crate) async fn get(app: &App, caller: &Caller, id: DeliveryId) -> Result<Logged, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    db::webhook_attempts::see_one_instant(&mut tx).await?;
    let found = db::webhook_deliveries::find_owned(&mut tx, owner, id).await?;
    let delivery = found.ok_or_else(|| RpcError::not_found("webhook delivery"))?;
    let attempts = db::webhook_attempts::list(&mut tx, id, SHOWN).await?;
    tx.commit().await?;
    Ok(Logged { delivery, attempts })
}

/// One page of what was sent to the caller's endpoint, newest first, each with its latest attempt.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    endpoint: WebhookEndpointId,
    (before, limit): (Option<EventId>, i64),
) -> Result<Vec<Logged>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    db::webhook_attempts::see_one_instant(&mut tx).await?;
    db::webhook_endpoints::find_owned(&mut tx, owner, endpoint).await?.ok_or_else(not_found)?;
    let deliveries = db::webhook_deliveries::list(&mut tx, (owner, endpoint), before, limit).await?;
    let events: Vec<_> = deliveries.iter().map(|delivery| delivery.id.event.uuid()).collect();
    let latest = db::webhook_attempts::list_latest(&mut tx, (owner, endpoint), &events).await?;
    tx.commit().await?;
    let with_latest = |delivery: Delivery| {
        let attempts = latest.iter().filter(|attempt| attempt.event == delivery.id.event).cloned().collect();
        Logged { delivery, attempts }
    };
    Ok(deliveries.into_iter().map(with_latest).collect())
}

/// Sends an event once more. One that is being sent at this moment is answered as it is.
pub(crate) async fn replay(app: &App, caller: &Caller, id: DeliveryId) -> Result<Logged, Error> {
    let owner = caller.identity.user;
    let missing = || RpcError::not_found("webhook delivery");
    let mut tx = begin(&app.pool).await?;
    let endpoint = lock(&mut tx, owner, id.endpoint).await?;
    db::webhook_deliveries::find_owned(&mut tx, owner, id).await?.ok_or_else(missing)?;
    must_receive(&endpoint)?;
    db::webhook_deliveries::replay(&mut tx, id).await?;
    tx.commit().await?;
    app.webhooks.wake.notify_one();
    get(app, caller, id).await
}
