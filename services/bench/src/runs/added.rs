//! M3: what imagioo adds to the provider's time, as a client sees it who watches the generation to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::{GenerationState, WatchGenerationRequest};
use imagioo_stack::{User, ended};
use serde::Serialize;
use tokio::time::Instant;

use crate::load::arrivals::arrive;
use crate::load::crowd;
use crate::load::submitter::wanted;
use crate::machine::Meter;
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Sink};
use crate::stats::percentile_ms;

/// The provider's time for an image.
const LATENCY: Duration = Duration::from_millis(200);
/// Arrivals per second of the first window.
const CALM: f64 = 20.0;

/// One window.
#[derive(Debug, Serialize)]
pub(crate) struct Added {
    /// Arrivals per second.
    pub(crate) rate: f64,
    /// Generations that were watched to their ends.
    pub(crate) watched: usize,
    /// Milliseconds beyond the provider's.
    pub(crate) p50: f64,
    /// Milliseconds beyond the provider's.
    pub(crate) p99: f64,
    /// States of one generation that its watcher was told, on average.
    pub(crate) states: f64,
    /// Share of the machine that others used.
    pub(crate) foreign: f64,
}

/// Runs it calmly, and at half of what M4 completed per second if that is known.
pub(crate) async fn run(plan: &Plan, completed: Option<f64>) -> anyhow::Result<Vec<Added>> {
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    provider.answer_after(LATENCY);
    let rates = [Some(CALM), completed.map(|completed| completed / 2.0)];
    Place::during(&Setting::working(&provider, &sink), async |place| {
        let users = crowd::gather(place, plan.users).await?;
        let mut windows = Vec::new();
        for rate in rates.into_iter().flatten() {
            windows.push(window(plan, place, &users, rate).await?);
        }
        Ok(windows)
    })
    .await
}

async fn window(plan: &Plan, place: &Place, users: &Arc<[User]>, rate: f64) -> anyhow::Result<Added> {
    let meter = Meter::start(&place.stack)?;
    let all = arrive(rate, plan.open, |number| watched(users[number % users.len()].clone())).await?;
    let usage = meter.stop(&place.stack)?;
    let mut added: Vec<_> = all.iter().map(|(took, _)| took.saturating_sub(LATENCY)).collect();
    added.sort_unstable();
    let told: usize = all.iter().map(|(_, states)| states).sum();
    Ok(Added {
        rate,
        watched: all.len(),
        p50: percentile_ms(&added, 0.5),
        p99: percentile_ms(&added, 0.99),
        states: told as f64 / all.len() as f64,
        foreign: usage.foreign,
    })
}

/// Creates a generation and watches it: how long it took to its end, and how many states were told.
async fn watched(user: User) -> anyhow::Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut gateway = GenerationServiceClient::new(user.channel());
    let accepted = gateway.create_generation(user.says(wanted())?).await?.into_inner();
    let name = accepted.generation.context("no generation in the answer")?.name;
    let watch = WatchGenerationRequest { name: name.clone(), after_version: 0 };
    let mut stream = gateway.watch_generation(user.says(watch)?).await?.into_inner();
    let (mut version, mut told) = (0, 0);
    while let Some(message) = stream.message().await? {
        let Some(generation) = message.generation else { continue };
        ensure!(generation.version >= version, "{name} goes back from version {version}");
        (version, told) = (generation.version, told + 1);
        if ended(generation.state()) {
            ensure!(generation.state() == GenerationState::Succeeded, "{name} is {:?}", generation.state());
            return Ok((begun.elapsed(), told));
        }
    }
    anyhow::bail!("the stream of {name} ended before its generation")
}
