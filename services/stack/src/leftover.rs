//! Processes of a stack whose supervisor was killed together with the guards that should have ended them.

use imagioo_servers::Process as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::database::{self, Database};
use crate::folder::Folder;
use crate::state::{State, began, boot};

/// Ends everything that a killed stack of this folder left running; how many processes that were.
///
/// # Errors
/// A stack of this folder runs, or its database does not stop.
pub async fn end_leftovers(folder: &Folder) -> anyhow::Result<usize> {
    if !folder.path().is_dir() {
        return Ok(0);
    }
    let _lock = folder.lock()?;
    let ended = end(folder);
    // It is not killed but adopted, and then stopped as ever.
    if folder.server(database::NAME).join("data/postmaster.pid").is_file() {
        let (mut database, _) = Database::start(folder, true).await?;
        database.stop().await?;
        return Ok(ended + 1);
    }
    Ok(ended)
}

/// Kills what the last stack of this folder left running, and counts it. A process is only signalled when it began at
/// the very moment that was noted, so its id cannot have gone to another program. PostgreSQL is left to be adopted.
pub(crate) fn end(folder: &Folder) -> usize {
    let Some(state) = State::read(folder).filter(|state| state.boot == boot()) else { return 0 };
    let mut ended = 0;
    for part in state.parts.iter().filter(|part| part.name != database::NAME) {
        let Some((pid, noted)) = part.pid.map(Pid::from_raw).zip(part.began) else { continue };
        if began(pid) == Some(noted) {
            tracing::warn!(part = part.name, %pid, "ending what a killed stack left running");
            // Fails only when it has just ended, which is what was wanted.
            kill(pid, Signal::SIGKILL).unwrap_or_default();
            ended += 1;
        }
    }
    State::remove(folder);
    ended
}
