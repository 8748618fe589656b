//! The dispatcher: one leader moves generations from the backlog to their queues, fairly.

use std::time::Duration;

use fail::fail_point;
use futures::{StreamExt as _, stream};
use imagioo_proto::jobs::v1::GenerationReady;
use imagioo_runtime::Shutdown;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockGuard, PgAdvisoryLockKey};
use sqlx::{PgConnection, Postgres};

use crate::app::App;
use crate::catalogue::Catalogue;
use crate::db::dispatch_users::{self, Dispatched};
use crate::db::generations::{reroute, sweep};
use crate::dispatch::budget::Budgets;
use crate::dispatch::offers::{self, Offer};
use crate::error::Error;

/// Names the leader's advisory lock; any number that nothing else in this database uses.
const LEADER: i64 = 0x696d_6167_696f_6f01;
/// Without a wake-up the backlog is looked at this often: retries become due, other replicas add work.
const TICK: Duration = Duration::from_millis(250);
/// Generations that are taken back or sent elsewhere at once.
const BATCH: i64 = 500;
/// How long a replica that is not the leader waits before it asks again.
const FOLLOW: Duration = Duration::from_secs(2);

/// Leads when no other replica does, until shutdown.
pub(crate) async fn run(app: App, shutdown: Shutdown) {
    while !shutdown.is_requested() {
        match lead(&app, &shutdown).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "dispatcher lost its database, trying again",
            ),
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(FOLLOW) => {}
        }
    }
}

/// Dispatches for as long as this replica holds the lock. The lock lives and dies with its connection, and the claim
/// itself is a compare-and-set: two leaders at once would be unfair for a moment, never wrong.
async fn lead(app: &App, shutdown: &Shutdown) -> Result<(), Error> {
    let lock = PgAdvisoryLock::with_key(PgAdvisoryLockKey::BigInt(LEADER));
    let conn = app.pool.acquire().await?;
    let sqlx::Either::Left(mut held) = lock.try_acquire(conn).await? else { return Ok(()) };
    tracing::info!("dispatcher leads");
    let mut budgets = Budgets::new(app.config.retries.per_second);
    loop {
        match turn(app, &mut held, &mut budgets).await {
            Ok(true) => continue,
            Ok(false) => {}
            // Refused, a deadlock say, and not lost: this replica leads on.
            Err(Error::Database(sqlx::Error::Database(refusal))) => {
                tracing::warn!(
                    error = &*refusal as &dyn std::error::Error,
                    "turn failed, the next one tries again"
                );
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = shutdown.requested() => break,
            () = app.turns.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    held.release_now().await?;
    Ok(())
}

/// Fills every queue's window once; true when something was dispatched.
async fn turn(
    app: &App,
    conn: &mut PgAdvisoryLockGuard<PoolConnection<Postgres>>,
    budgets: &mut Budgets,
) -> Result<bool, Error> {
    let catalogue = app.catalogue();
    let queues: Vec<_> = catalogue.deployments().map(|deployment| deployment.id.clone()).collect();
    let awaited = dispatch_users::awaited(conn.as_mut(), &queues).await?;
    let mut any = false;
    for deployment in catalogue.deployments() {
        let window = app.health.window(deployment);
        if window == 0 {
            recall(app, conn.as_mut(), &catalogue, &deployment.id).await?;
            continue;
        }
        if !awaited.contains(&deployment.id) {
            continue;
        }
        let limits = (window, budgets.left(&deployment.id));
        let claimed = dispatch_users::claim(conn.as_mut(), &deployment.id, limits).await?;
        budgets.spend(&deployment.id, claimed.iter().filter(|dispatched| dispatched.attempt > 1).count());
        any |= !claimed.is_empty();
        if !claimed.is_empty() {
            fail_point!("gateway.dispatch.after_claim");
        }
        let offered = stream::iter(claimed).for_each_concurrent(offers::AT_ONCE, async |dispatched| {
            let Dispatched { generation, owner, attempt, version, trace } = dispatched;
            let ready = GenerationReady { generation: generation.name(), attempt };
            offers::make(&app.queue, &Offer { deployment: deployment.id.clone(), ready, trace }).await;
            app.changed(owner, generation, version).await;
        });
        offered.await;
    }
    Ok(any)
}

/// Takes back what no worker has started at a deployment that is to be left alone, and sends what may go elsewhere there.
async fn recall(
    app: &App,
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    deployment: &str,
) -> Result<(), Error> {
    sweep::requeue_unstarted(conn, Some(deployment), time::Duration::ZERO, BATCH).await?;
    let others = catalogue.beside(deployment).map(|other| other.id.as_str());
    for other in others.filter(|other| app.health.standing(other).is_available()) {
        let waiting = reroute::movable(conn, (deployment, other), BATCH).await?;
        if waiting.is_empty() {
            continue;
        }
        reroute::make_room(conn, &waiting, &vec![Some(other.to_owned()); waiting.len()]).await?;
        let moved = reroute::reroute(conn, &waiting, (deployment, other)).await?;
        tracing::info!(from = deployment, to = other, moved, "generations go elsewhere");
        app.turns.notify_one();
    }
    Ok(())
}
