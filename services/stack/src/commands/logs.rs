//! `logs`: `tail` on the log files.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use imagioo_stack::Folder;

use super::Exit;

/// Options of `logs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this process, such as gateway-1
    part: Option<String>,
    /// Show the last lines and end, instead of following
    #[arg(long)]
    no_follow: bool,
}

pub(super) fn run(folder: &Folder, args: &Args) -> anyhow::Result<Exit> {
    let mut files = files(folder)?;
    if let Some(part) = &args.part {
        files.retain(|file| file.file_stem().is_some_and(|stem| stem.to_str() == Some(part)));
        anyhow::ensure!(!files.is_empty(), "nothing called {part} has logged; `status` lists the names");
    }
    let mut tail = Command::new("tail");
    tail.arg("--lines=50").args((!args.no_follow).then_some("-F")).args(files);
    // Becomes tail: returns only when it cannot.
    Err(tail.exec()).context("tail cannot be run")
}

fn files(folder: &Folder) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder.logs()).context("there are no logs yet; start with `make up`")?;
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    Ok(files)
}
