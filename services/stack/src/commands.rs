//! The commands, one file each.

mod down;
mod logs;
mod serve;
mod status;
mod table;
mod up;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use imagioo_stack::Folder;

/// How often another process is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the whole system on this machine, each service as a process of its own, on real servers.
#[derive(Debug, Parser)]
#[command(name = "imagioo-stack", version)]
struct Arguments {
    /// Folder with everything: databases, images, keys, logs; by default under `.local` of the repository
    #[arg(long, value_name = "DIR", env = "IMAGIOO_STACK_DIR", global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything in the background and wait until it is ready
    Up,
    /// Stop everything; data stays
    Down,
    /// Show every process; ends with 1 when one is not well, with 3 when nothing runs
    Status,
    /// Follow what the processes log
    Logs(logs::Args),
    /// Run in the foreground until Ctrl-C; `up` does this in the background
    Serve,
}

/// How a command ended when nothing failed.
enum Exit {
    Well,
    Unwell,
    Absent,
}

/// Runs the command of this process's arguments.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let folder = Folder::new(arguments.data.as_deref());
    let outcome = match arguments.command {
        Command::Serve => return serve::run(folder),
        Command::Up => up::run(&folder),
        Command::Down => down::run(&folder),
        Command::Status => status::run(&folder),
        Command::Logs(args) => logs::run(&folder, &args),
    };
    match outcome {
        Ok(Exit::Well) => ExitCode::SUCCESS,
        Ok(Exit::Unwell) => ExitCode::from(1),
        Ok(Exit::Absent) => ExitCode::from(3),
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "imagioo-stack: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Writes for the person at the terminal.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
