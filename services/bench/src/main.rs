//! The benchmark: what a submit costs beside the least it could cost, how much one machine completes, and whether all
//! of it is right when processes are killed under load.
//!
//! A figure counts as a ratio to the floor of the same run: machines differ, and one machine differs by the minute.
//!
//! # Code map
//! `runs` has a file for each row: M1 to M8, M11 and M13. Each has a stack of its own (`place`) and people who ask for
//! images (`load`). `floor` is the bare durable submit, `provider` and `sink` are the third parties, `machine` reads
//! processor time and memory, `stats` and `report` make figures of it all.

mod floor;
mod load;
mod machine;
mod place;
mod plan;
mod provider;
mod report;
mod runs;
mod sink;
mod stats;

use std::io::{self, Write as _};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    runs::run().await.unwrap_or_else(|error| {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "imagioo-bench: {error:#}");
        ExitCode::FAILURE
    })
}
