//! Runs a program to its end and turns its failure into an error that shows what it said.

use std::path::PathBuf;

use tokio::process::Command;

use super::PostgresError;

/// How much of a program's output an error shows, in characters.
const SHOWN: usize = 1500;

/// Waits for a program that must succeed.
pub(super) async fn run(command: &mut Command) -> Result<(), PostgresError> {
    let program = PathBuf::from(command.as_std().get_program());
    let output = match command.kill_on_drop(true).output().await {
        Ok(output) => output,
        Err(source) => return Err(PostgresError::Run { program, source }),
    };
    if output.status.success() {
        return Ok(());
    }
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let said = said.trim();
    let begin = said.char_indices().nth_back(SHOWN).map_or(0, |(at, _)| at);
    Err(PostgresError::Failed { program, output: said[begin..].to_owned() })
}
