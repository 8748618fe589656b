//! The benchmark: what a submit costs beside the least it could cost, how much one machine completes, and whether all
//! of it is right when processes are killed under load.
//!
//! A figure counts as a ratio to the floor of the same run: machines differ, and one machine differs by the minute.
//!
//! # Code map
//! `submit` (M1), `saturation` (M4) and `correctness` (M13) are the runs. Each has a stack of its own (`place`) with
//! funded users (`crowd`) and closed loops (`driver`, `submitter`). `floor` is the bare durable submit, `provider` and
//! `sink` are the third parties, `machine` reads the processor's time, `stats` and `report` make figures of it all.

mod correctness;
mod crowd;
mod driver;
mod floor;
mod machine;
mod place;
mod plan;
mod provider;
mod report;
mod run;
mod saturation;
mod sink;
mod stats;
mod submit;
mod submitter;

use std::io::{self, Write as _};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    run::run().await.unwrap_or_else(|error| {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "imagioo-bench: {error:#}");
        ExitCode::FAILURE
    })
}
