//! Processes of a stack whose supervisor was killed together with the guards that should have ended them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folder::Folder;
use crate::state::{State, began, boot};

/// Kills what the last stack of this folder left running. A process is only signalled when it began at the very
/// moment that was noted, so its id cannot have gone to another program. PostgreSQL is adopted instead, elsewhere.
pub(crate) fn end(folder: &Folder) {
    let Some(state) = State::read(folder).filter(|state| state.boot == boot()) else { return };
    for part in state.parts.iter().filter(|part| part.name != crate::database::NAME) {
        let Some((pid, noted)) = part.pid.map(Pid::from_raw).zip(part.began) else { continue };
        if began(pid) == Some(noted) {
            tracing::warn!(part = part.name, %pid, "ending what a killed stack left running");
            // Fails only when it has just ended, which is what was wanted.
            kill(pid, Signal::SIGKILL).unwrap_or_default();
        }
    }
    State::remove(folder);
}
