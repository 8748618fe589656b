//! `status`: every process, as the supervisor sees it.

use imagioo_stack::{Condition, Folder, State};

use super::{Exit, say, table};

pub(super) fn run(folder: &Folder) -> anyhow::Result<Exit> {
    let Some(supervisor) = folder.holder()? else {
        say("nothing runs; start with `make up`")?;
        return Ok(Exit::Absent);
    };
    let Some(state) = State::read(folder) else {
        say(&format!("process {supervisor} is just starting the servers"))?;
        return Ok(Exit::Unwell);
    };
    say(&table::of(&state))?;
    let well = state.parts.iter().all(|part| part.condition == Condition::Running);
    Ok(if well { Exit::Well } else { Exit::Unwell })
}
