//! Processor time: of each part of the stack, of this process, and of everybody else on the machine.

pub(crate) mod memory;
mod stat;

use std::collections::BTreeMap;
use std::fs;

use imagioo_stack::Stack;
use serde::Serialize;
use tokio::time::Instant;

use stat::{Machine, Process};

/// Clock ticks per second in /proc (proc(5): USER_HZ, 100 on every architecture of today).
const TICKS: f64 = 100.0;
/// Parts of a stack that are not imagioo's own.
const SERVERS: [&str; 4] = ["postgres", "rabbitmq", "redis", "seaweedfs"];

/// Reads the clocks at the beginning of a window.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    before: Reading,
}

/// What one window used.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// Length of the window in seconds.
    pub(crate) seconds: f64,
    parts: BTreeMap<String, f64>,
    bench: f64,
    /// Share of the machine's processors, 0 to 1, that was used by neither stack nor benchmark.
    pub(crate) foreign: f64,
}

/// Processor seconds per thousand of something.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cpu {
    /// Of imagioo's services.
    pub(crate) own: f64,
    /// Of the services and their servers.
    pub(crate) whole: f64,
    /// Of the benchmark itself: clients, fake provider, object sink.
    pub(crate) bench: f64,
    /// Of each part of the stack.
    pub(crate) parts: BTreeMap<String, f64>,
}

#[derive(Debug)]
struct Reading {
    machine: Machine,
    parts: BTreeMap<String, u64>,
    bench: u64,
}

impl Meter {
    /// Begins a window.
    pub(crate) fn start(stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self { started: Instant::now(), before: Reading::take(stack)? })
    }

    /// Ends it. No part may have been started anew meanwhile.
    pub(crate) fn stop(self, stack: &Stack) -> anyhow::Result<Usage> {
        let (after, before) = (Reading::take(stack)?, self.before);
        let spent = |name: &str, ticks: u64| {
            ticks.saturating_sub(before.parts.get(name).copied().unwrap_or_default())
        };
        let parts: BTreeMap<_, _> =
            after.parts.iter().map(|(name, ticks)| (name.clone(), spent(name, *ticks))).collect();
        let bench = after.bench.saturating_sub(before.bench);
        let known = parts.values().sum::<u64>() + bench;
        let busy = after.machine.busy.saturating_sub(before.machine.busy);
        let total = after.machine.total.saturating_sub(before.machine.total);
        Ok(Usage {
            seconds: self.started.elapsed().as_secs_f64(),
            parts: parts.into_iter().map(|(name, ticks)| (name, ticks as f64 / TICKS)).collect(),
            bench: bench as f64 / TICKS,
            foreign: busy.saturating_sub(known) as f64 / total.max(1) as f64,
        })
    }
}

impl Usage {
    /// Divided by what was done meanwhile.
    pub(crate) fn per_thousand(&self, done: f64) -> Cpu {
        let thousands = done / 1000.0;
        let is_own = |name: &str| !SERVERS.contains(&name);
        let sum = |own_only: bool| -> f64 {
            let counted = self.parts.iter().filter(|(name, _)| !own_only || is_own(name));
            counted.map(|(_, seconds)| seconds / thousands).sum()
        };
        let parts = self.parts.iter().map(|(name, seconds)| (name.clone(), seconds / thousands)).collect();
        Cpu { own: sum(true), whole: sum(false), bench: self.bench / thousands, parts }
    }
}

impl Reading {
    fn take(stack: &Stack) -> anyhow::Result<Self> {
        let machine = Machine::parse(&fs::read_to_string("/proc/stat")?)?;
        let processes = Process::all()?;
        let roots = stack.parts().into_iter().filter_map(|part| Some((part.name, part.pid?)));
        let parts = roots.map(|(name, root)| (name, stat::of_tree(&processes, root))).collect();
        // Without its children: they are the stack.
        let own = i32::try_from(std::process::id())?;
        let bench = processes.iter().find(|process| process.pid == own).map_or(0, |process| process.own);
        Ok(Self { machine, parts, bench })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_not_imagioos_own() {
        let parts = [("gateway-1", 2.0), ("worker-1", 1.0), ("postgres", 4.0), ("rabbitmq", 1.0)];
        let parts = parts.map(|(name, seconds)| (name.to_owned(), seconds)).into();
        let cpu = Usage { seconds: 1.0, parts, bench: 6.0, foreign: 0.0 }.per_thousand(2000.0);
        assert_eq!((cpu.own, cpu.whole, cpu.bench, cpu.parts["postgres"]), (1.5, 4.0, 3.0, 2.0));
    }
}
