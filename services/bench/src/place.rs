//! The system that is measured: a durable stack in a folder of its own, with the third parties of the benchmark.

mod services;

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use imagioo_stack::{Condition, Folder, Options, Stack};
use tempfile::TempDir;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::floor;
use crate::provider::Provider;
use crate::sink::Sink;

/// Where the offers for its worker wait.
const OFFERS: &str = "imagioo.deployment.bench";
/// Credits of every user: more than a run can spend.
pub(crate) const CREDITS: i64 = 1_000_000;

/// A part that is not ready by then cannot be started.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Calls at once in the worker, unless a run wants more.
const CALLS: u32 = 128;

/// What differs from run to run.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// The third parties of the one worker; without, there is no worker and what is accepted waits.
    parties: Option<(&'a Provider, &'a Sink)>,
    is_shaken: bool,
    calls: u32,
}

impl<'a> Setting<'a> {
    /// No worker.
    pub(crate) const fn stopped() -> Self {
        Self { parties: None, is_shaken: false, calls: CALLS }
    }

    /// One worker with these third parties.
    pub(crate) const fn working(provider: &'a Provider, sink: &'a Sink) -> Self {
        Self { parties: Some((provider, sink)), is_shaken: false, calls: CALLS }
    }

    /// With times so short that what a dead process held is taken over within seconds.
    pub(crate) const fn shaken(self) -> Self {
        Self { is_shaken: true, ..self }
    }

    /// With so many calls at once, however long they take.
    pub(crate) const fn with_calls(self, calls: u32) -> Self {
        Self { calls, ..self }
    }
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

    /// Bytes of a message with an offer for the worker, which waits in the broker.
    pub(crate) async fn message_bytes(&self) -> anyhow::Result<usize> {
        floor::message_bytes(self.stack.rabbitmq(), OFFERS).await
    }

    async fn start(setting: &Setting<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("imagioo-bench-").tempdir()?;
        // PostgreSQL may run as another user, who must pass through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let catalogue = folder.path().join("catalogue.toml");
        fs::write(&catalogue, services::models(setting.calls)?)?;
        let workers = u16::from(setting.parties.is_some());
        let mut options = Options::for_tests(1, workers)?;
        options.postgres.durable = true;
        options.overrides = services::overrides(setting, &catalogue.display().to_string());
        let stack = Stack::start(&Folder::new(Some(folder.path())), &options).await;
        let stack = stack.context("the stack does not start")?;
        if timeout(READY_WITHIN, stack.ready()).await.is_err() {
            let not_ready = stack.parts().into_iter().filter(|part| part.condition != Condition::Running);
            let not_ready: Vec<_> = not_ready.map(|part| last_words(&stack, &part.name)).collect();
            stack.stop().await?;
            anyhow::bail!("the stack does not become ready: {}", not_ready.join("; "));
        }
        Ok(Self { stack, _folder: folder })
    }
}

/// What a part logged last.
fn last_words(stack: &Stack, part: &str) -> String {
    let log = stack.folder().logs().join(format!("{part}.log"));
    let text = fs::read_to_string(log).unwrap_or_default();
    format!("{part}: {}", text.lines().last().unwrap_or("it says nothing"))
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
