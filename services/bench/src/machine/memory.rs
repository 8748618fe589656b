//! `/proc/PID/status`, see proc_pid_status(5).

use std::fs;

use anyhow::Context as _;

/// Resident memory of one process in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// The most since its start.
    pub(crate) peak: u64,
}

impl Memory {
    /// Of a running process.
    pub(crate) fn of(pid: i32) -> anyhow::Result<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/status"))?)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let bytes = |name: &str| -> anyhow::Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(kibibytes.with_context(|| format!("no {name} in kB"))?.parse::<u64>()? * 1024)
        };
        Ok(Self { resident: bytes("VmRSS")?, peak: bytes("VmHWM")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_kibibytes() {
        let text = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t     1024 kB\n";
        assert_eq!(Memory::parse(text).expect("complete"), Memory { resident: 1 << 20, peak: 2 << 20 });
        assert!(Memory::parse("Name:\ta\n").is_err());
    }
}
