//! `down`: asks the supervisor to stop everything.

use std::time::{Duration, Instant};

use anyhow::bail;
use imagioo_stack::{Folder, end_leftovers};
use nix::sys::signal::{Signal, kill};

use super::{Exit, LOOK, say};

/// Longer than the supervisor gives everything to stop.
const PATIENCE: Duration = Duration::from_secs(150);

pub(super) fn run(folder: &Folder) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Some(pid) = folder.holder()? else {
        match runtime.block_on(end_leftovers(folder))? {
            0 => say("nothing runs")?,
            ended => say(&format!("ended what a killed stack had left running: {ended} processes"))?,
        }
        return Ok(Exit::Well);
    };
    kill(pid, Signal::SIGTERM)?;
    runtime.block_on(async {
        let begun = Instant::now();
        while folder.holder()? == Some(pid) {
            if begun.elapsed() > PATIENCE {
                bail!("process {pid} does not stop; see {}", folder.logs().join("stack.log").display());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    })?;
    say("stopped; the data stays in place")?;
    Ok(Exit::Well)
}
