//! `imagioo-stack up | down | status | logs`: what `make up` and its companions run.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}
