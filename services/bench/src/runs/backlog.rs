//! M7: a long queue that has grown without workers, and how fast one works it off, from its first tenth to its last.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::saturation::{completed, open_database};
use crate::load::{crowd, fill::fill};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Sink};

const WORKER: &str = "worker-1";
/// When for so long nothing is made, nothing more will be.
const STALL: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// How the queue was worked off.
#[derive(Debug, Serialize)]
pub(crate) struct Drain {
    /// Generations that waited.
    pub(crate) queued: u64,
    /// Seconds until the workers had made the last one, from the first one's.
    pub(crate) seconds: f64,
    /// Generations per second in each tenth.
    pub(crate) tenths: Vec<f64>,
}

impl Drain {
    /// How fast the last tenth was beside the first.
    pub(crate) fn steadiness(&self) -> f64 {
        match &self.tenths[..] {
            [first, .., last] => last / first,
            _ => f64::NAN,
        }
    }
}

/// Runs it on a stack of its own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Drain> {
    ensure!(plan.backlog >= 10, "a backlog has ten tenths");
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    Place::during(&Setting::working(&provider, &sink), async |place| {
        let users = crowd::gather(place, plan.users).await?;
        place.stack.hold_down(WORKER).await?;
        fill(&users, plan.backlog).await?;
        place.stack.restart(WORKER, &[]).await?;
        let drain = drain(plan.backlog, &sink).await?;
        let mut database = open_database(place).await?;
        all_ended(&mut database, plan.backlog).await?;
        Ok(drain)
    })
    .await
}

/// Watches results arrive at the store.
async fn drain(queued: u64, sink: &Sink) -> anyhow::Result<Drain> {
    let mut moments = Vec::with_capacity(11);
    let (mut last, mut seen) = (Instant::now(), 0);
    while moments.len() <= 10 {
        let made = sink.objects.manifests();
        // The clock begins with the first result.
        while moments.len() <= 10 && made >= (queued * moments.len() as u64 / 10).max(1) {
            moments.push(Instant::now());
        }
        if made > seen {
            (last, seen) = (Instant::now(), made);
        }
        ensure!(last.elapsed() < STALL, "{seen} of {queued} are made");
        sleep(LOOK).await;
    }
    let tenth = queued as f64 / 10.0;
    let tenths = moments.windows(2).map(|pair| tenth / (pair[1] - pair[0]).as_secs_f64()).collect();
    Ok(Drain { queued, seconds: (moments[10] - moments[0]).as_secs_f64(), tenths })
}

async fn all_ended(database: &mut sqlx::PgConnection, queued: u64) -> anyhow::Result<()> {
    let (deadline, queued) = (Instant::now() + STALL, i64::try_from(queued).context("too many")?);
    while completed(database).await? < queued {
        ensure!(Instant::now() < deadline, "not everything that was made has ended");
        sleep(LOOK * 10).await;
    }
    Ok(())
}
