//! The background task that sends what is due.

use std::sync::Arc;

use imagioo_runtime::Shutdown;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::attempt;
use super::delivery::Claimed;
use crate::app::App;
use crate::db;
use crate::db::webhook_deliveries::sending::{self, Room};
use crate::error::Error;

/// Rows that one clean-up removes at most.
const CLEANED: i64 = 1_000;
/// Clean-ups are this far apart.
const CLEAN_UP: std::time::Duration = std::time::Duration::from_secs(600);

/// Sends until shutdown. Requests under way then are finished; the rest stays for the next start, or another replica.
pub(crate) async fn run(app: App, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(app.webhooks.config.in_flight as usize));
    let mut polls = tokio::time::interval(app.webhooks.config.poll());
    polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = app.webhooks.wake.notified() => {}
            _ = polls.tick() => {}
        }
        if let Err(error) = send_due(&app, &slots, &shutdown).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "webhooks not sent, the next look tries again"
            );
        }
    }
}

/// Begins to send as much as there are slots for.
async fn send_due(app: &App, slots: &Arc<Semaphore>, shutdown: &Shutdown) -> Result<(), Error> {
    loop {
        let free = slots.available_permits();
        if free == 0 || shutdown.is_requested() {
            return Ok(());
        }
        let taken = claim(app, free).await?;
        let more = taken.len() == free;
        for claimed in taken {
            let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { return Ok(()) };
            let app = app.clone();
            shutdown.spawn("send a webhook", async move {
                send(&app, &claimed).await;
                drop(slot);
                // There may be more for this endpoint, or there was no slot for another one.
                app.webhooks.wake.notify_one();
            });
        }
        if !more {
            return Ok(());
        }
    }
}

async fn claim(app: &App, free: usize) -> Result<Vec<Claimed>, Error> {
    let config = &app.webhooks.config;
    let room = Room {
        total: i64::try_from(free).unwrap_or(i64::MAX),
        per_endpoint: config.in_flight_per_endpoint.into(),
    };
    let mut conn = app.webhooks.taking.acquire().await?;
    Ok(sending::claim(&mut conn, Uuid::now_v7(), room, config.lease()).await?)
}

async fn send(app: &App, claimed: &Claimed) {
    if let Err(error) = attempt::attempt(app, claimed).await {
        let id = claimed.delivery.id;
        tracing::warn!(
            endpoint = %id.endpoint,
            event = %id.event,
            error = &error as &dyn std::error::Error,
            "webhook not recorded, it is sent again"
        );
    }
}

/// Removes what the log no longer keeps, until shutdown.
pub(crate) async fn clean_up(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(CLEAN_UP);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = clean(&app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "webhook log not cleaned up");
        }
    }
}

async fn clean(app: &App) -> Result<(), Error> {
    let mut conn = app.pool.acquire().await?;
    db::webhook_secrets::delete_expired(&mut conn).await?;
    while sending::delete_old(&mut conn, app.webhooks.config.log(), CLEANED).await? > 0 {}
    Ok(())
}
