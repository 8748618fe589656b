//! The processes as lines of text.

use imagioo_stack::{Condition, State};

/// One line for each process, in columns.
pub(super) fn of(state: &State) -> String {
    let mut lines = vec![line("PART", "STATE", "PID", "RESTARTS", "ADDRESS")];
    for part in &state.parts {
        let condition = match part.condition {
            Condition::Starting => "starting",
            Condition::Running => "ready",
            Condition::Ended => "ended",
            Condition::Stopped => "stopped",
        };
        let pid = part.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        lines.push(line(&part.name, condition, &pid, &part.restarts.to_string(), &part.address));
    }
    lines.join("\n")
}

fn line(part: &str, state: &str, pid: &str, restarts: &str, address: &str) -> String {
    format!("{part:<12}{state:<10}{pid:>8}{restarts:>10}  {address}").trim_end().to_owned()
}
