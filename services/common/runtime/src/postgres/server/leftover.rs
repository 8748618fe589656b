//! A server that a killed process left behind, and the traces of one that is gone.

use std::fs;
use std::path::Path;

use tokio::time::{Instant, sleep};

use super::{ASK_AGAIN, READY_WITHIN};
use crate::postgres::PostgresError;
use crate::postgres::folder::Folder;
use crate::postgres::site::{Answer, Site};

/// The line of `postmaster.pid` that says the port, from 0.
const PORT_LINE: usize = 3;
/// What the kernel calls a server's process.
const SERVER_NAMES: [&str; 2] = ["postgres", "postmaster"];

/// The port of a server that answers through the folder's socket to the folder's password. One that is just
/// starting or stopping is waited for.
pub(super) async fn find(site: &Site) -> Result<Option<u16>, PostgresError> {
    let Some(port) = line(&site.folder, PORT_LINE) else { return Ok(None) };
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match site.ask(port).await {
            Answer::Ready => return Ok(Some(port)),
            Answer::Nobody => return Ok(None),
            Answer::Refused(source) => {
                return Err(PostgresError::statement("adopt the server that is left over")(source));
            }
            Answer::NotNow if Instant::now() > deadline => {
                let log = site.folder.log_since(0);
                return Err(PostgresError::Silent { seconds: READY_WITHIN.as_secs(), log });
            }
            Answer::NotNow => sleep(ASK_AGAIN).await,
        }
    }
}

/// Removes `postmaster.pid` when its process is dead but not reaped, or its id was given to another program
/// meanwhile; both happen in containers, and PostgreSQL would take either for a running server. Nothing is
/// ever signalled by that id, and the shared memory that the server checks next still protects living
/// remains.
pub(super) fn forget_dead_pid(folder: &Folder) -> Result<(), PostgresError> {
    let Some(pid) = line::<u32>(folder, 0) else { return Ok(()) };
    let Ok(process) = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) else {
        return Ok(());
    };
    if is_living_server(&process) {
        return Ok(());
    }
    let file = folder.data().join("postmaster.pid");
    tracing::info!(pid, "the last server's process is gone");
    fs::remove_file(&file).map_err(PostgresError::file("remove", &file))
}

/// Reads a line such as `4711 (postgres) S 1 …` of `/proc/<pid>/stat` (proc(5)).
fn is_living_server(process: &str) -> bool {
    let Some((name, state)) = process.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else {
        return true;
    };
    SERVER_NAMES.contains(&name) && !state.starts_with(['Z', 'X'])
}

fn line<T: std::str::FromStr>(folder: &Folder, number: usize) -> Option<T> {
    let text = fs::read_to_string(folder.data().join("postmaster.pid")).ok()?;
    text.lines().nth(number)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_living_server_counts() {
        assert!(is_living_server("4711 (postgres) S 1 4711"));
        assert!(!is_living_server("4711 (postgres) Z 1 4711"));
        assert!(!is_living_server("4711 (imagioo) S 1 4711"));
        assert!(!is_living_server("4711 (a) (b) ) S 1 4711"));
        assert!(is_living_server("unreadable"), "when in doubt PostgreSQL decides");
    }
}
