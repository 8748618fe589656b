//! Following a file that an operator may change while the process runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Shutdown;

/// How often the file is looked at. Looking works wherever the file comes from: an editor, a mounted volume, a link that is
/// moved.
const LOOK: Duration = Duration::from_secs(1);

/// The changes of one file.
#[derive(Debug)]
pub struct Changes {
    path: PathBuf,
    known: Option<Stamp>,
}

/// What tells that a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Changes {
    /// Every change of the file from now on.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), known: stamp(path) }
    }

    /// Waits for the next change; false on shutdown.
    pub async fn next(&mut self, shutdown: &Shutdown) -> bool {
        loop {
            tokio::select! {
                () = shutdown.requested() => return false,
                () = tokio::time::sleep(LOOK) => {}
            }
            let found = stamp(&self.path);
            if found != self.known {
                self.known = found;
                return true;
            }
        }
    }

    /// Has the last change come once more: nothing could be done about it.
    pub fn again(&mut self) {
        self.known = None;
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok(), length: found.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_once_unless_it_is_wanted_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, shutdown) = (folder.path().join("file"), Shutdown::new(Duration::from_secs(1)));
        std::fs::write(&path, "one").expect("written");
        let mut changes = Changes::of(&path);
        std::fs::write(&path, "three").expect("written");
        assert!(changes.next(&shutdown).await);
        changes.again();
        assert!(changes.next(&shutdown).await);
        std::fs::remove_file(&path).expect("removed");
        assert!(changes.next(&shutdown).await);
        shutdown.request();
        assert!(!changes.next(&shutdown).await);
    }
}
