//! The system that is measured: a durable stack in a folder of its own, with the third parties of the benchmark.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::pin;

use anyhow::Context as _;
use imagioo_stack::{Folder, Options, Stack};
use tempfile::TempDir;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use toml::{Table, toml};

use crate::provider::Provider;
use crate::sink::Sink;

/// The model that the fake provider serves.
const CATALOGUE: &str = include_str!("catalogue.toml");
/// Credits of every user: more than a run can spend.
pub(crate) const CREDITS: i64 = 1_000_000;

/// What differs from run to run.
#[derive(Debug)]
pub(crate) enum Setting<'a> {
    /// No worker: what is accepted waits.
    Stopped,
    /// One worker with these third parties.
    Working(&'a Provider, &'a Sink),
    /// The same, with times so short that what a dead process held is taken over within seconds.
    Shaken(&'a Provider, &'a Sink),
}

/// A running stack. Everything is gone when it is stopped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) stack: Stack,
    _folder: TempDir,
}

impl Place {
    /// Starts it, does the work, and stops everything in order, also when the work fails or somebody interrupts it.
    pub(crate) async fn during<T>(
        setting: &Setting<'_>,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut interrupted = pin!(interrupted());
        let place = tokio::select! {
            started = Self::start(setting) => started?,
            Err(interrupt) = &mut interrupted => return Err(interrupt),
        };
        let outcome = tokio::select! {
            outcome = work(&place) => outcome,
            Err(interrupt) = &mut interrupted => Err(interrupt),
        };
        let stopped = place.stack.stop().await;
        let result = outcome?;
        stopped?;
        Ok(result)
    }

    async fn start(setting: &Setting<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("imagioo-bench-").tempdir()?;
        // PostgreSQL may run as another user, who must pass through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let catalogue = folder.path().join("catalogue.toml");
        fs::write(&catalogue, CATALOGUE)?;
        let workers = u16::from(!matches!(setting, Setting::Stopped));
        let mut options = Options::for_tests(1, workers)?;
        options.postgres.durable = true;
        options.overrides = overrides(setting, &catalogue.display().to_string());
        let stack = Stack::start(&Folder::new(Some(folder.path())), &options).await;
        let stack = stack.context("the stack does not start")?;
        stack.ready().await?;
        Ok(Self { stack, _folder: folder })
    }
}

/// Fails when somebody wants this process to end. Its children would else outlive it.
async fn interrupted() -> anyhow::Result<Infallible> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    anyhow::bail!("interrupted")
}

fn overrides(setting: &Setting<'_>, catalogue: &str) -> Vec<(&'static str, Table)> {
    let mut all = vec![("gateway", gateway(catalogue)), ("billing", billing())];
    let (Setting::Working(provider, sink) | Setting::Shaken(provider, sink)) = setting else { return all };
    all.push(("worker", worker(&provider.base_url())));
    all.extend(["gateway", "worker"].map(|service| (service, storage(&sink.endpoint()))));
    if matches!(setting, Setting::Shaken(..)) {
        let timing = toml! { timing = { lease_seconds = 3, unstarted_seconds = 4, sweep_seconds = 1 } };
        all.push(("gateway", timing));
    }
    all
}

/// Limits are counted as ever, and never reached.
fn gateway(catalogue: &str) -> Table {
    toml! {
        catalogue_file = catalogue
        share = { in_flight = 10000 }
        [limits]
        user_per_second = 10000
        user_burst = 10000
        address_per_minute = 10000
        address_burst = 10000
    }
}

fn billing() -> Table {
    toml! { registration = { credits = CREDITS } }
}

fn worker(base_url: &str) -> Table {
    toml! {
        deployments = [{ id = "bench", concurrency = 128 }]
        [providers.bench]
        kind = "openai"
        base_url = base_url
        trusted_hosts = ["127.0.0.1"]
        parameters = ["n", "size"]
        paid = false
    }
}

fn storage(endpoint: &str) -> Table {
    toml! { storage = { s3 = { endpoint = endpoint } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_can_be_written() {
        assert_eq!(gateway("a.toml")["catalogue_file"].as_str(), Some("a.toml"));
        assert_eq!(billing()["registration"]["credits"].as_integer(), Some(CREDITS));
        assert_eq!(worker("http://a/v1")["providers"]["bench"]["base_url"].as_str(), Some("http://a/v1"));
        assert_eq!(storage("http://a")["storage"]["s3"]["endpoint"].as_str(), Some("http://a"));
    }
}
