//! The supervisor itself.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use imagioo_runtime::Boot;
use imagioo_stack::{Folder, Options, PartState, Phase, Stack};
use tokio::time::interval;

/// How often the state is written when it has changed.
const NOTE_EVERY: Duration = Duration::from_millis(200);

pub(super) fn run(folder: Folder) -> ExitCode {
    match Options::settings() {
        Ok(settings) => imagioo_runtime::start_with("stack", settings, |boot| serve(boot, folder)),
        Err(error) => {
            // There is no log yet, and nowhere to tell that standard error is closed.
            let _ = writeln!(io::stderr(), "imagioo-stack: {:#}", anyhow::Error::from(error));
            ExitCode::from(2)
        }
    }
}

async fn serve(boot: Boot, folder: Folder) -> anyhow::Result<()> {
    let options: Options = boot.settings.read()?;
    let started = tokio::select! {
        started = Stack::start(&folder, &options) => started.context("the stack does not start")?,
        () = boot.shutdown.requested() => return Ok(()),
    };
    tokio::select! {
        outcome = keep_noted(&started) => outcome?,
        () = boot.shutdown.requested() => {}
    }
    started.note(Phase::Stopping)?;
    started.stop().await
}

/// Writes the state down whenever it has changed. Never returns well.
async fn keep_noted(stack: &Stack) -> anyhow::Result<()> {
    let mut ticks = interval(NOTE_EVERY);
    let mut noted: Option<(Phase, Vec<PartState>)> = None;
    let mut ready = std::pin::pin!(stack.ready());
    let mut phase = Phase::Starting;
    loop {
        tokio::select! {
            outcome = &mut ready, if phase == Phase::Starting => {
                outcome?;
                phase = Phase::Up;
                tracing::info!(gateway = stack.gateway(0), "the stack is up");
            }
            _ = ticks.tick() => {}
        }
        let now = (phase, stack.parts());
        if noted.as_ref() != Some(&now) {
            stack.note(phase)?;
            noted = Some(now);
        }
    }
}
