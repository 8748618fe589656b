//! `/proc/stat` and `/proc/PID/stat`, see proc_stat(5) and proc_pid_stat(5); times are clock ticks.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;

/// Since the machine's start, over all processors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Everything but idling, waiting for disks, and interrupts, which belong to nobody.
    pub(super) busy: u64,
    pub(super) total: u64,
}

/// A running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// Used by itself.
    pub(super) own: u64,
    /// Used by its children that have ended.
    ended_children: u64,
}

impl Machine {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
        let fields = line.into_iter().flat_map(str::split_ascii_whitespace).map(str::parse);
        let fields: Vec<u64> = fields.collect::<Result<_, _>>()?;
        // The guests' time after these eight is part of the first two already.
        let [user, nice, system, idle, waiting, interrupt, soft, stolen, ..] = fields[..] else {
            anyhow::bail!("/proc/stat has no line of all processors");
        };
        let busy = user + nice + system + stolen;
        Ok(Self { busy, total: busy + idle + waiting + interrupt + soft })
    }
}

impl Process {
    pub(super) fn all() -> anyhow::Result<Vec<Self>> {
        let folders = fs::read_dir("/proc").context("/proc cannot be read")?.flatten();
        // One that ends meanwhile cannot be read any more; its parent then has its time.
        let texts = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        Ok(texts.filter_map(|text| Self::parse(&text)).collect())
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in brackets, which may contain anything.
        let (pid, rest) = text.split_once(" (")?;
        let fields: Vec<&str> = rest.rsplit_once(") ")?.1.split(' ').collect();
        // The state is field 3 of the manual page.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            pid: pid.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            ended_children: ticks(16)? + ticks(17)?,
        })
    }
}

/// What a process and everything below it have used, ended children included.
pub(super) fn of_tree(processes: &[Process], root: i32) -> u64 {
    let mut tree = BTreeSet::from([root]);
    while let Some(child) =
        processes.iter().find(|process| tree.contains(&process.parent) && !tree.contains(&process.pid))
    {
        tree.insert(child.pid);
    }
    let members = processes.iter().filter(|process| tree.contains(&process.pid));
    members.map(|process| process.own + process.ended_children).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_busy_for_users_itself_and_its_host() {
        let text = "cpu  100 20 30 1000 50 7 8 4 3 2\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(Machine::parse(text).expect("complete"), Machine { busy: 154, total: 1219 });
        assert!(Machine::parse("cpu0 1 2 3 4 5 6 7 8").is_err());
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let text = "42 (a (odd) name) S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 1 0 5 6 7";
        let expected = Process { pid: 42, parent: 7, own: 33, ended_children: 77 };
        assert_eq!(Process::parse(text), Some(expected));
        assert_eq!(Process::parse("cpu  1 2 3"), None);
    }

    #[test]
    fn a_tree_has_all_below_its_root_and_nothing_beside_it() {
        let process = |pid, parent| Process { pid, parent, own: 1, ended_children: 10 };
        let processes = [process(4, 3), process(3, 2), process(2, 1), process(9, 1)];
        assert_eq!(of_tree(&processes, 2), 33);
        assert_eq!(of_tree(&processes, 77), 0);
    }
}
