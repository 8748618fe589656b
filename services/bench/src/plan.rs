//! What is measured and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures imagioo on this machine, beside the bare durable submit.
#[derive(Debug, Parser)]
#[command(name = "imagioo-bench", version)]
pub(crate) struct Arguments {
    /// Two short rounds instead of five long ones, 20 users instead of 200
    #[arg(long)]
    quick: bool,
    /// Bytes of one image: 102400, or 1048576
    #[arg(long, value_name = "BYTES", default_value_t = 100 * 1024)]
    size: usize,
    /// Where the report goes besides the terminal
    #[arg(long, value_name = "FILE", default_value = ".local/bench.json")]
    json: PathBuf,
    /// One run only; without `correctness` nothing it says is a performance result
    #[arg(long)]
    only: Option<Part>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// M1: latency of a submit, workers stopped
    Submit,
    /// M4: completed generations per second
    Saturation,
    /// M13: nothing lost, nothing charged twice, while processes are killed
    Correctness,
}

/// The runs and their lengths.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) quick: bool,
    /// Bytes of one image.
    pub(crate) image_bytes: usize,
    pub(crate) json: PathBuf,
    only: Option<Part>,
    /// Funded users.
    pub(crate) users: usize,
    /// Rounds of M1, windows of M4.
    pub(crate) rounds: usize,
    /// Of one side at one concurrency, before it is measured and while it is.
    pub(crate) submit: (Duration, Duration),
    /// Before the first window of M4, and one window.
    pub(crate) saturation: (Duration, Duration),
    /// The load of M13.
    pub(crate) correctness: Duration,
}

impl Plan {
    /// The plan of this process's arguments.
    pub(crate) fn of(arguments: Arguments) -> Self {
        let Arguments { quick, size, json, only } = arguments;
        let [users, rounds] = if quick { [20, 2] } else { [200, 5] };
        let seconds = |short, long| Duration::from_secs(if quick { short } else { long });
        Self {
            quick,
            image_bytes: size,
            json,
            only,
            users,
            rounds,
            submit: (seconds(1, 2), seconds(3, 10)),
            saturation: (seconds(5, 10), seconds(6, 12)),
            correctness: seconds(15, 30),
        }
    }

    /// Whether a run is wanted.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}
