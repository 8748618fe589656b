//! M13: the load of M4 while the worker and the broker are killed. Afterwards everything must have ended in one outcome,
//! be charged once, and be stored as it was announced.

mod laws;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use imagioo_stack::User;
use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::load::crowd;
use crate::load::submitter::{Accepted, Turns, wanted};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::runs::saturation::OPEN;
use crate::sink::{Keep, Objects, Sink};

/// Closed loops at once.
const CLIENTS: usize = 64;
/// What is killed with SIGKILL, in this order, with equal pauses. The broker's death ends every connection to it.
const VICTIMS: [&str; 2] = ["worker-1", "rabbitmq"];
/// A killed process that is not noticed and ready again by then is lost.
const BACK_WITHIN: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(1);

/// How the run ended.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// Generations that were accepted.
    pub(crate) accepted: usize,
    /// Of these, how many delivered their image.
    pub(crate) succeeded: usize,
    /// What was killed.
    pub(crate) killed: [&'static str; 2],
    /// Laws that were broken; empty when all is well.
    pub(crate) broken: Vec<String>,
}

/// What clients share.
struct Gate {
    over: AtomicBool,
    accepted: Accepted,
    objects: Arc<Objects>,
}

/// An accepted generation: the user's place and its name.
type Receipt = (usize, String);

/// Runs it on a stack of its own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Verdict> {
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Hashes).await?);
    Place::during(&Setting::working(&provider, &sink).shaken(), async |place| {
        examine(plan, place, &sink).await
    })
    .await
}

async fn examine(plan: &Plan, place: &Place, sink: &Sink) -> anyhow::Result<Verdict> {
    let users = crowd::gather(place, plan.users.min(CLIENTS)).await?;
    let gate = Gate {
        over: AtomicBool::new(false),
        accepted: Accepted::default(),
        objects: Arc::clone(&sink.objects),
    };
    let (receipts, ()) = tokio::try_join!(load(&users, &gate), shake(plan, place, &gate))?;
    laws::judge(place, &users, &sink.objects, &receipts).await
}

/// Submits in closed loops until it is over. Each submit is repeated with its request id until it is accepted.
async fn load(users: &Arc<[User]>, gate: &Gate) -> anyhow::Result<Vec<Receipt>> {
    let clients = Turns::shared(users, CLIENTS).into_iter();
    Ok(try_join_all(clients.map(|turns| submit_until_over(turns, gate))).await?.concat())
}

async fn submit_until_over(mut turns: Turns, gate: &Gate) -> anyhow::Result<Vec<Receipt>> {
    let mut receipts = Vec::new();
    while !gate.over.load(Ordering::Relaxed) {
        if gate.accepted.load(Ordering::Relaxed).saturating_sub(gate.objects.manifests()) > OPEN {
            sleep(PAUSE).await;
            continue;
        }
        let (place, user) = turns.next();
        let generation = user.accepted(wanted()).await?;
        gate.accepted.fetch_add(1, Ordering::Relaxed);
        receipts.push((place, generation.name));
    }
    Ok(receipts)
}

/// Kills one process after the other under load, and ends the load after the last is back.
async fn shake(plan: &Plan, place: &Place, gate: &Gate) -> anyhow::Result<()> {
    let pause = plan.correctness / 3;
    for victim in VICTIMS {
        sleep(pause).await;
        place.stack.signal(victim, Signal::SIGKILL).await?;
        let back = timeout(BACK_WITHIN, back(place, victim)).await;
        back.with_context(|| format!("{victim} does not come back"))??;
    }
    sleep(pause).await;
    gate.over.store(true, Ordering::Relaxed);
    Ok(())
}

async fn back(place: &Place, victim: &str) -> anyhow::Result<()> {
    let restarts = || place.stack.parts().iter().find(|part| part.name == victim).map(|part| part.restarts);
    while restarts() == Some(0) {
        sleep(LOOK).await;
    }
    place.stack.part_ready(victim).await?;
    ensure!(restarts() == Some(1), "{victim} was started more than once again");
    Ok(())
}
