//! What is measured and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures imagioo on this machine, beside the bare durable submit.
#[derive(Debug, Parser)]
#[command(name = "imagioo-bench", version)]
pub(crate) struct Arguments {
    /// Short and few rounds, few users, small backlogs
    #[arg(long)]
    quick: bool,
    /// Bytes of one image: 102400, or 1048576
    #[arg(long, value_name = "BYTES", default_value_t = 100 * 1024)]
    size: usize,
    /// How the provider hands images over
    #[arg(long, default_value = "base64")]
    shape: Shape,
    /// Where the report goes besides the terminal
    #[arg(long, value_name = "FILE", default_value = ".local/bench.json")]
    json: PathBuf,
    /// These runs only; without `correctness` nothing they say is a performance result
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// Generations that wait when the worker of M7 starts [100000; quick: 1000]
    #[arg(long, value_name = "N")]
    backlog: Option<u64>,
    /// Calls under way at once in the worker of M6 [10000; quick: 200]
    #[arg(long, value_name = "N")]
    in_flight: Option<u32>,
    /// Generations that wait while M8 submits, ascending [0,10000,1000000; quick: 0,2000,8000]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    depths: Vec<u64>,
}

/// How images come from the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// In the answer
    Base64,
    /// Behind a link in the answer
    Url,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// M1: latency of a submit, workers stopped
    Submit,
    /// M2: accepted generations per second, of many users and of one
    Hot,
    /// M4: completed generations per second
    Saturation,
    /// M3: what imagioo adds to the provider's time
    Added,
    /// M5: completed generations per second when twice as many arrive
    Overload,
    /// M6: memory of a worker with very many calls under way
    Flight,
    /// M7: a long queue, worked off
    Backlog,
    /// M8: latency of a submit beside long queues
    Depth,
    /// M11: from the start of a process to its first answer
    Start,
    /// M13: nothing lost, nothing charged twice, while processes are killed
    Correctness,
}

/// The runs and their lengths.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) quick: bool,
    /// Bytes of one image.
    pub(crate) image_bytes: usize,
    pub(crate) shape: Shape,
    pub(crate) json: PathBuf,
    only: Vec<Part>,
    /// Funded users.
    pub(crate) users: usize,
    /// Funded users of M2.
    pub(crate) crowd: usize,
    /// Rounds of M1, M2 and M8, windows of M4.
    pub(crate) rounds: usize,
    /// Of one side at one concurrency, before it is measured and while it is.
    pub(crate) submit: (Duration, Duration),
    /// Likewise, so short that the depth of M8 stays about what it is.
    pub(crate) depth: (Duration, Duration),
    /// Before the first window of M4, and one window.
    pub(crate) saturation: (Duration, Duration),
    /// Of each rate of M3, and of each half of M5.
    pub(crate) open: Duration,
    /// How long all calls of M6 are under way together.
    pub(crate) hold: Duration,
    /// The load of M13.
    pub(crate) correctness: Duration,
    pub(crate) backlog: u64,
    pub(crate) in_flight: u32,
    pub(crate) depths: Vec<u64>,
    /// Starts of each process in M11.
    pub(crate) starts: usize,
}

impl Plan {
    /// The plan of this process's arguments.
    pub(crate) fn of(arguments: Arguments) -> Self {
        let Arguments { quick, size, shape, json, only, backlog, in_flight, depths } = arguments;
        let [users, crowd, rounds, starts] = if quick { [20, 20, 2, 3] } else { [200, 1000, 5, 20] };
        let millis = |short, long| Duration::from_millis(if quick { short } else { long });
        let usual_depths = if quick { [0, 2_000, 8_000] } else { [0, 10_000, 1_000_000] };
        Self {
            quick,
            image_bytes: size,
            shape,
            json,
            only,
            users,
            crowd,
            rounds,
            submit: (millis(1_000, 2_000), millis(3_000, 10_000)),
            depth: (millis(300, 500), millis(700, 1_500)),
            saturation: (millis(5_000, 10_000), millis(6_000, 12_000)),
            open: millis(8_000, 60_000),
            hold: millis(2_000, 30_000),
            correctness: millis(15_000, 30_000),
            backlog: backlog.unwrap_or(if quick { 1_000 } else { 100_000 }),
            in_flight: in_flight.unwrap_or(if quick { 200 } else { 10_000 }),
            depths: if depths.is_empty() { usual_depths.to_vec() } else { depths },
            starts,
        }
    }

    /// The runs that are wanted, in their order.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        all.filter(|part| self.only.is_empty() || self.only.contains(part)).collect()
    }
}

impl Part {
    /// What it is called while it runs.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Submit => "M1: submit latency beside the floor",
            Self::Hot => "M2: many users, and a single one",
            Self::Saturation => "M4: saturation",
            Self::Added => "M3: added latency",
            Self::Overload => "M5: overload",
            Self::Flight => "M6: calls under way",
            Self::Backlog => "M7: backlog",
            Self::Depth => "M8: submit latency beside a long queue",
            Self::Start => "M11: cold start",
            Self::Correctness => "M13: correctness under load",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Plan {
        Plan::of(Arguments::parse_from(["imagioo-bench"].iter().chain(arguments)))
    }

    #[test]
    fn everything_is_measured_unless_less_is_asked_for() {
        assert_eq!(plan(&[]).parts(), Part::value_variants());
        assert_eq!(plan(&["--only", "start,hot"]).parts(), [Part::Hot, Part::Start]);
    }

    #[test]
    fn sizes_are_what_was_asked_for() {
        let small = plan(&["--backlog", "7", "--in-flight", "8", "--depths", "9,10"]);
        assert_eq!((small.backlog, small.in_flight, small.depths), (7, 8, vec![9, 10]));
        assert_eq!(plan(&[]).depths, [0, 10_000, 1_000_000]);
        assert_eq!(plan(&["--quick"]).depths, [0, 2_000, 8_000]);
    }
}
