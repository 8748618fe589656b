//! What other processes may read about a running stack: `state.json` in its folder.

use std::fs;
use std::io::Write as _;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::part::Condition;

/// A running stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How far it is.
    pub phase: Phase,
    /// Which start of the machine the process ids belong to.
    pub boot: String,
    /// Its processes.
    pub parts: Vec<PartState>,
}

/// How far a stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not everything has been ready yet.
    Starting,
    /// Everything has been ready.
    Up,
    /// It is being stopped.
    Stopping,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Its name, as in the names of log files.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// Its process id.
    pub pid: Option<i32>,
    /// When that process began, in clock ticks since the machine's start: together they name it for ever.
    pub began: Option<u64>,
    /// How often it ended by itself and was started again.
    pub restarts: u32,
    /// Where it is reached, without passwords.
    pub address: String,
}

impl State {
    /// What was last written about the stack of a folder.
    #[must_use]
    pub fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.state()).ok()?).ok()
    }

    /// Replaces what is written, as a whole.
    pub(crate) fn write(&self, folder: &Folder) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder.path())?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(folder.state())?;
        Ok(())
    }

    /// Forgets a stack that has ended.
    pub(crate) fn remove(folder: &Folder) {
        // One that is not there is as good as removed; one that stays is overwritten by the next start.
        fs::remove_file(folder.state()).unwrap_or_default();
    }
}

/// When a process began, in clock ticks since the machine's start (proc_pid_stat(5), field 22).
pub(crate) fn began(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may contain anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// The machine's present start.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_the_time_it_began() {
        let own = Pid::this();
        assert!(began(own).is_some());
        assert_eq!(began(own), began(own));
        assert_eq!(began(Pid::from_raw(i32::MAX)), None);
    }
}
