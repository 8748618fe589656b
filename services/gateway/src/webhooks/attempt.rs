//! One attempt: sign, send, write down what came of it.

use imagioo_runtime::database::begin;
use imagioo_types::EventId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::delivery::{Attempt, Claimed, DeliveryState};
use super::endpoint::{DisableReason, Endpoint};
use super::post::{self, Answer};
use super::secret::WebhookSecret;
use super::verdict::{self, Verdict};
use super::{payload, signature};
use crate::app::App;
use crate::db;
use crate::db::webhook_deliveries::sending::{Next, finish};
use crate::error::Error;
use crate::instruments;

/// Sends a delivery that this replica has taken. After an error the row stays taken until the lease ends; then it is sent
/// again.
pub(super) async fn attempt(app: &App, claimed: &Claimed) -> Result<(), Error> {
    let id = claimed.delivery.id.endpoint;
    let mut conn = app.pool.acquire().await?;
    // An endpoint that is gone took the delivery with it.
    let Some(endpoint) = db::webhook_endpoints::find(&mut conn, id).await? else { return Ok(()) };
    if endpoint.disabled.is_some() {
        finish(&mut conn, claimed, Next::Failed).await?;
        return Ok(());
    }
    let sealed = db::webhook_secrets::live(&mut conn, id).await?;
    drop(conn);
    let Some(resource) = payload::resource(app, &claimed.delivery, &endpoint).await? else {
        finish(&mut *app.pool.acquire().await?, claimed, Next::Failed).await?;
        return Ok(());
    };
    let open = |sealed: &Vec<u8>| WebhookSecret::open(&app.webhooks.sealer, id, sealed);
    let secrets: Result<Vec<_>, _> = sealed.iter().map(open).collect();
    let body = payload::body(&app.webhooks, &claimed.delivery, resource);
    let now = app.clock.now();
    let (secrets, body) = match (secrets, body) {
        (Ok(secrets), Ok(body)) => (secrets, body),
        (Err(error), _) => return unsendable(app, claimed, &error).await,
        (_, Err(error)) => return unsendable(app, claimed, &error).await,
    };
    let signed = signature::sign(claimed.delivery.id.event, now, &body, &secrets);
    let answer = post::post(&app.webhooks, &endpoint.url, signed, body).await;
    record(app, claimed, &endpoint, now, &answer).await
}

/// A fault of ours, such as a sealing key that was removed: it is tried again, and the endpoint is not blamed.
async fn unsendable(
    app: &App,
    claimed: &Claimed,
    error: &(impl std::error::Error + Sync + 'static),
) -> Result<(), Error> {
    let id = claimed.delivery.id.endpoint;
    tracing::error!(endpoint = %id, error = error as &dyn std::error::Error, "webhook cannot be written");
    instruments::webhook_attempt("unsendable");
    let again = Next::Again {
        after: time::Duration::seconds(app.webhooks.config.backoff_cap_seconds.into()),
        within: app.webhooks.config.retry_within(),
    };
    finish(&mut *app.pool.acquire().await?, claimed, again).await?;
    Ok(())
}

/// Writes down the request and what it means for the delivery and its endpoint, in one commit.
///
/// Locks are taken in one order everywhere: the endpoint, then its deliveries.
async fn record(
    app: &App,
    claimed: &Claimed,
    endpoint: &Endpoint,
    started_at: OffsetDateTime,
    answer: &Answer,
) -> Result<(), Error> {
    let config = &app.webhooks.config;
    let delivery = &claimed.delivery;
    let verdict =
        verdict::decide(&answer.outcome, (delivery.attempts, rand::random()), app.clock.now(), config);
    let mut tx = begin(&app.pool).await?;
    let now = db::webhook_endpoints::lock_owned(&mut tx, endpoint.owner, endpoint.id).await?;
    // Its owner removed it meanwhile, and the delivery with it.
    let Some(now) = now else { return Ok(tx.rollback().await?) };
    let moved = now.url != endpoint.url;
    let (next, reason) = match verdict {
        Verdict::Received if moved => (Next::Delivered, None),
        Verdict::Received => {
            db::webhook_endpoints::recovered(&mut tx, endpoint.id).await?;
            (Next::Delivered, None)
        }
        // What the old address says counts for nothing at the new one, which has not been asked yet.
        Verdict::Gone | Verdict::Again(_) if moved => {
            (Next::Again { after: time::Duration::ZERO, within: config.retry_within() }, None)
        }
        Verdict::Gone => (Next::Failed, Some(DisableReason::Gone)),
        Verdict::Again(after) => {
            let often = i32::try_from(config.disable_after_failures).unwrap_or(i32::MAX);
            let lost =
                db::webhook_endpoints::failed(&mut tx, endpoint.id, (config.disable_after(), often)).await?;
            let again = Next::Again { after, within: config.retry_within() };
            (again, lost.then_some(DisableReason::Failing))
        }
    };
    let disabled = match reason {
        Some(reason) => disable(&mut tx, endpoint, reason).await?,
        None => false,
    };
    // Nothing when the lease ended meanwhile: whoever has the delivery now writes down its own attempt.
    let Some(state) = finish(&mut tx, claimed, next).await? else { return Ok(tx.rollback().await?) };
    let attempt = Attempt {
        event: delivery.id.event,
        number: delivery.attempts,
        started_at,
        duration_ms: i32::try_from(answer.took.as_millis()).unwrap_or(i32::MAX),
        status: answer.outcome.as_ref().ok().map(|(status, _)| status.as_u16().into()),
        error: verdict::complaint(&answer.outcome),
    };
    db::webhook_attempts::insert(&mut tx, delivery, &attempt).await?;
    tx.commit().await?;
    told(endpoint, state, reason.filter(|_| disabled), answer);
    if disabled {
        app.webhooks.wake.notify_one();
    }
    Ok(())
}

/// Switches an endpoint off, gives up what waits for it, and tells its owner's other endpoints.
async fn disable(
    conn: &mut PgConnection,
    endpoint: &Endpoint,
    reason: DisableReason,
) -> Result<bool, sqlx::Error> {
    if !db::webhook_endpoints::disable(conn, endpoint.id, reason).await? {
        return Ok(false);
    }
    db::webhook_deliveries::give_up(conn, endpoint.id).await?;
    db::webhook_deliveries::insert_notices(conn, EventId::generate(), endpoint.id).await?;
    Ok(true)
}

/// Tells operators.
fn told(endpoint: &Endpoint, state: DeliveryState, disabled: Option<DisableReason>, answer: &Answer) {
    let outcome = match state {
        DeliveryState::Delivered => "delivered",
        DeliveryState::Pending => "retry",
        DeliveryState::Failed => "given_up",
    };
    instruments::webhook_attempt(outcome);
    instruments::webhook_took(answer.took);
    if let Some(reason) = disabled {
        instruments::webhook_disabled(reason.as_str());
        tracing::warn!(endpoint = %endpoint.id, user = %endpoint.owner, reason = reason.as_str(), "webhook endpoint disabled");
    }
}
