//! M1: how long a submit takes with the workers stopped, beside the floor at the same concurrency.
//!
//! In each round floor and imagioo take turns at every concurrency, and who begins changes from round to round. What
//! imagioo accepts is durable when it answers; the queue is told afterwards, and as no worker takes anything, all but
//! the first submits wait in the backlog.

use std::sync::Arc;
use std::time::Duration;

use imagioo_stack::User;
use serde::Serialize;

use crate::floor::Floor;
use crate::load::crowd;
use crate::load::driver::{Load, Submit, drive};
use crate::load::submitter::{Accepted, Submitter};
use crate::machine::{Cpu, Meter, Usage};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::stats::percentile_ms;

/// Closed loops at once.
pub(crate) const CONCURRENCIES: [usize; 3] = [1, 16, 64];

/// Both sides of one round at one concurrency.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) clients: usize,
    pub(crate) floor: Sample,
    pub(crate) imagioo: Sample,
}

/// What one side did in one window.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// Submits per second.
    pub(crate) per_second: f64,
    /// Per 1,000 submits.
    pub(crate) cpu: Cpu,
    /// Share of the machine that others used.
    pub(crate) foreign: f64,
}

/// Runs all rounds on a stack of their own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Vec<Pair>> {
    Place::during(&Setting::stopped(), async |place| rounds(plan, place).await).await
}

async fn rounds(plan: &Plan, place: &Place) -> anyhow::Result<Vec<Pair>> {
    let users = crowd::gather(place, plan.users).await?;
    let floor = Floor::prepare(&place.stack, plan.users).await?;
    let mut pairs = Vec::new();
    for round in 0..plan.rounds {
        for clients in CONCURRENCIES {
            pairs.push(pair(plan.submit, place, &floor, &users, (round, clients)).await?);
        }
    }
    Ok(pairs)
}

/// Both sides at so many clients; who begins changes from round to round.
pub(super) async fn pair(
    times: (Duration, Duration),
    place: &Place,
    floor: &Floor,
    users: &Arc<[User]>,
    (round, clients): (usize, usize),
) -> anyhow::Result<Pair> {
    let bare = floor.clients(clients).await?;
    let full = Submitter::several(users, clients, &Accepted::default());
    let pair = if round % 2 == 0 {
        let floor = measure(times, place, bare).await?;
        Pair { clients, floor, imagioo: measure(times, place, full).await? }
    } else {
        let imagioo = measure(times, place, full).await?;
        Pair { clients, floor: measure(times, place, bare).await?, imagioo }
    };
    floor.empty().await?;
    Ok(pair)
}

/// One side's window, after a warm-up that does not count.
pub(super) async fn measure<S: Submit>(
    (warm_up, window): (Duration, Duration),
    place: &Place,
    clients: Vec<S>,
) -> anyhow::Result<Sample> {
    let (clients, _) = drive(clients, warm_up).await?;
    let meter = Meter::start(&place.stack)?;
    let (_, load) = drive(clients, window).await?;
    Ok(Sample::of(&load, &meter.stop(&place.stack)?))
}

impl Sample {
    fn of(load: &Load, usage: &Usage) -> Self {
        Self {
            p50: percentile_ms(&load.latencies, 0.5),
            p99: percentile_ms(&load.latencies, 0.99),
            per_second: load.per_second(),
            cpu: usage.per_thousand(load.latencies.len() as f64),
            foreign: usage.foreign,
        }
    }
}
