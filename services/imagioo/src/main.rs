//! The `imagioo` command: `serve` runs the platform in one process, everything else is its client.

use std::process::ExitCode;

use clap::Parser as _;

mod address;
mod backoff;
mod cli;
mod client;
mod commands;
mod context;
mod download;
mod environment;
mod exit;
mod failure;
mod follow;
mod inline;
mod json;
mod names;
mod output;
mod password;
mod paths;
mod profile;
mod progress;
mod prompt;
mod report;
mod run;
mod serve;
mod session;
mod table;
mod trace;
mod when;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.command {
        cli::Command::Serve(args) => serve::run(args),
        cli::Command::Client(command) => run::run(cli.global, command),
    }
}
