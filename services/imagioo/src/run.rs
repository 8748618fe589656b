//! The life of a client command: run it, stop it when the person says so, tell how it ended.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{ClientCommand, Global};
use crate::commands;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::trace::traced;

/// Runs a client command to its end.
pub(crate) fn run(global: Global, command: ClientCommand) -> ExitCode {
    let output = Output::new(global.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report::tell(output, &Failure::Input("machine's clock and sockets", error)).into();
        }
    };
    let outcome = runtime.block_on(traced(command.name(), supervise(global, command)));
    // A thread may still wait for a line that nobody will type.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|failure| report::tell(output, &failure)).into()
}

async fn supervise(global: Global, command: ClientCommand) -> Result<Exit, Failure> {
    let context = Context::new(global)?;
    let mut interrupts =
        signal(SignalKind::interrupt()).map_err(|error| Failure::Input("signals of this process", error))?;
    let outcome = tokio::select! {
        biased;
        _ = interrupts.recv() => Err(context.interrupted()),
        outcome = commands::run(&context, command) => outcome,
    };
    // A session that is being renewed must be stored, or it is lost.
    context.shutdown.request();
    context.shutdown.drained().await;
    outcome
}
