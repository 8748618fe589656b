//! `imagioo admin`: calls that need the operator's service key.

mod check;
mod dead_letters;
mod operator;
mod presets;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Options of `admin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Count what should be zero when nothing is in progress; ends with 1 when something is not
    Check(operator::Place),
    /// Look after messages that no service could handle
    DeadLetters(dead_letters::Args),
    /// Manage the presets that everybody may use
    Presets(Box<presets::Args>),
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Check(place) => check::run(context, place).await,
        Command::DeadLetters(args) => dead_letters::run(context, args).await,
        Command::Presets(args) => presets::run(context, *args).await,
    }
}
