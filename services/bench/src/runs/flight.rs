//! M6: the memory of one worker with very many calls under way. The provider keeps every call waiting until all have
//! arrived, and then answers each as long after its arrival as the last one will have waited.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::saturation::{completed, open_database};
use crate::load::{crowd, fill::fill};
use crate::machine::memory::Memory;
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Sink};

/// The part whose memory counts.
const WORKER: &str = "worker-1";
/// When for so long no call arrives, no more will.
const STALL: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// What the worker needed.
#[derive(Debug, Serialize)]
pub(crate) struct Flight {
    /// Calls under way at once.
    pub(crate) calls: u32,
    /// Seconds from the first to the last arrival.
    pub(crate) ramp: f64,
    /// Bytes of resident memory before.
    pub(crate) idle: u64,
    /// Bytes of resident memory while all calls wait.
    pub(crate) waiting: u64,
    /// Most bytes of resident memory, answers included.
    pub(crate) peak: u64,
}

impl Flight {
    /// Bytes for each call.
    pub(crate) fn per_call(&self) -> f64 {
        self.peak.saturating_sub(self.idle) as f64 / f64::from(self.calls)
    }
}

/// Runs it on a stack of its own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Flight> {
    allow_files()?;
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    provider.keep_waiting();
    let setting = Setting::working(&provider, &sink).with_calls(plan.in_flight);
    Place::during(&setting, async |place| fly(plan, place, &provider).await).await
}

async fn fly(plan: &Plan, place: &Place, provider: &Provider) -> anyhow::Result<Flight> {
    let users = crowd::gather(place, plan.users).await?;
    let mut database = open_database(place).await?;
    let idle = memory(place)?.resident;
    let begun = Instant::now();
    let calls = u64::from(plan.in_flight);
    let (ramp, ()) = tokio::try_join!(all_arrived(provider, calls, begun), fill(&users, calls))?;
    sleep(plan.hold).await;
    let waiting = memory(place)?.resident;
    provider.answer_after(begun.elapsed());
    let deadline = Instant::now() + begun.elapsed() + STALL;
    while completed(&mut database).await? < i64::from(plan.in_flight) {
        ensure!(Instant::now() < deadline, "not all calls end");
        sleep(LOOK).await;
    }
    let peak = memory(place)?.peak;
    Ok(Flight { calls: plan.in_flight, ramp, idle, waiting, peak })
}

/// Waits until all calls are there; how long that took in seconds.
async fn all_arrived(provider: &Provider, calls: u64, begun: Instant) -> anyhow::Result<f64> {
    let (mut last, mut seen) = (Instant::now(), 0);
    while seen < calls {
        sleep(LOOK).await;
        let arrived = provider.arrived();
        if arrived > seen {
            (last, seen) = (Instant::now(), arrived);
        }
        ensure!(last.elapsed() < STALL, "{seen} of {calls} calls arrive");
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn memory(place: &Place) -> anyhow::Result<Memory> {
    let worker = place.stack.parts().into_iter().find(|part| part.name == WORKER);
    Memory::of(worker.and_then(|worker| worker.pid).context("the worker does not run")?)
}

/// Every call is a socket here, and one of the worker, which inherits the limit.
fn allow_files() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
