//! Runs a command with a private PostgreSQL and RabbitMQ beside it: `imagioo-testkit run -- cargo test`.

mod prepare;
mod session;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Starts private servers, runs a command with their addresses in the environment, and stops them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder of the servers' data; by default under `.local/test` of the repository.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Exports IMAGIOO_TEST_POSTGRES, a superuser's address, and IMAGIOO_TEST_RABBITMQ; an address that is
    /// already set is used instead.
    Run {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Exports IMAGIOO_TEST_POSTGRES and DATABASE_URL, a database with every migration, for checking queries.
    Prepare {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let with_broker = matches!(arguments.task, Task::Run { .. });
    let session = session::Session::open(arguments.data, with_broker).await?;
    let outcome = match arguments.task {
        Task::Run { command } => session.run(&command, None).await,
        Task::Prepare { command } => match prepare::database(session.admin()).await {
            Ok(url) => session.run(&command, Some(url)).await,
            Err(error) => Err(error),
        },
    };
    session.close().await?;
    outcome
}
