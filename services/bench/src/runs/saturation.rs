//! M4: generations completed per second when there is always something to do, and the processor time of each part.
//!
//! One gateway and one worker; the provider answers at once. Clients submit in closed loops but pause while very many
//! generations are open: else most of two cores would go into accepting what nobody completes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use imagioo_stack::User;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use crate::load::crowd;
use crate::load::driver::{Submit, drive};
use crate::load::submitter::{Accepted, Submitter};
use crate::machine::{Cpu, Meter};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Objects, Sink};

/// Closed loops at once.
const CLIENTS: usize = 64;
/// Open generations beyond which clients pause: enough that no part ever waits for work.
pub(crate) const OPEN: u64 = 1000;
const PAUSE: Duration = Duration::from_millis(1);

/// What was completed in one window.
#[derive(Debug, Serialize)]
pub(crate) struct Window {
    /// Generations that succeeded, per second.
    pub(crate) completed: f64,
    /// Submits accepted, per second.
    pub(crate) accepted: f64,
    /// Per 1,000 completed.
    pub(crate) cpu: Cpu,
    /// Share of the machine that others used.
    pub(crate) foreign: f64,
}

/// A submitter that does not run away from the worker.
struct Paced {
    submitter: Submitter,
    accepted: Accepted,
    objects: Arc<Objects>,
}

impl Submit for Paced {
    async fn submit(&mut self) -> anyhow::Result<()> {
        while self.accepted.load(Ordering::Relaxed).saturating_sub(self.objects.manifests()) > OPEN {
            sleep(PAUSE).await;
        }
        self.submitter.submit().await
    }
}

/// Runs all windows on a stack of their own, one after the other under the same load.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Vec<Window>> {
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    Place::during(&Setting::working(&provider, &sink), async |place| windows(plan, place, &sink).await).await
}

async fn windows(plan: &Plan, place: &Place, sink: &Sink) -> anyhow::Result<Vec<Window>> {
    let users = crowd::gather(place, plan.users).await?;
    let accepted = Accepted::default();
    let (warm_up, window) = plan.saturation;
    let lasting = warm_up + window * u32::try_from(plan.rounds)? + window / 4;
    let load = load(&users, sink, &accepted, lasting);
    Ok(tokio::try_join!(load, measure(plan, place, &accepted))?.1)
}

/// Submits in closed loops so fast that no part ever waits for work.
pub(super) async fn load(
    users: &Arc<[User]>,
    sink: &Sink,
    accepted: &Accepted,
    lasting: Duration,
) -> anyhow::Result<()> {
    let paced = |submitter| {
        let (accepted, objects) = (Arc::clone(accepted), Arc::clone(&sink.objects));
        Paced { submitter, accepted, objects }
    };
    let clients = Submitter::several(users, CLIENTS, accepted).into_iter().map(paced).collect();
    drive(clients, lasting).await.map(drop)
}

/// A connection that may read every table.
pub(super) async fn open_database(place: &Place) -> anyhow::Result<PgConnection> {
    Ok(PgConnection::connect(place.stack.access().admin_url()?.expose_secret()).await?)
}

async fn measure(plan: &Plan, place: &Place, accepted: &Accepted) -> anyhow::Result<Vec<Window>> {
    let (warm_up, window) = plan.saturation;
    let mut database = open_database(place).await?;
    sleep(warm_up).await;
    let mut windows = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let before = (completed(&mut database).await?, accepted.load(Ordering::Relaxed));
        let meter = Meter::start(&place.stack)?;
        sleep(window).await;
        let usage = meter.stop(&place.stack)?;
        let done = (completed(&mut database).await? - before.0) as f64;
        let taken = (accepted.load(Ordering::Relaxed) - before.1) as f64;
        windows.push(Window {
            completed: done / usage.seconds,
            accepted: taken / usage.seconds,
            cpu: usage.per_thousand(done),
            foreign: usage.foreign,
        });
    }
    database.close().await?;
    Ok(windows)
}

/// Generations that have succeeded so far; none may have failed.
pub(super) async fn completed(database: &mut PgConnection) -> anyhow::Result<i64> {
    let (succeeded, others): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where state = 'succeeded'), count(*) filter (where state <> 'succeeded')
         from generation.generations where ended_at is not null",
    )
    .fetch_one(database)
    .await?;
    ensure!(others == 0, "{others} generations did not succeed");
    Ok(succeeded)
}
