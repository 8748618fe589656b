//! Following files that an operator may change while the process runs.

use std::collections::BTreeMap;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Shutdown;

/// How often the file is looked at. Looking works wherever the file comes from: an editor, a mounted volume, a link that is
/// moved.
const LOOK: Duration = Duration::from_secs(1);

/// The changes of a file, and of those that it names.
#[derive(Debug)]
pub struct Changes {
    path: PathBuf,
    known: Option<Stamp>,
    named: BTreeMap<PathBuf, Option<Stamp>>,
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
        Self { path: path.to_owned(), known: stamp(path), named: BTreeMap::new() }
    }

    /// Follows these files, too, which the first one names now, and no longer others that it named. One that is new counts
    /// as changed: nobody knows whether it was read before or after its last change.
    pub fn also(&mut self, named: impl IntoIterator<Item = PathBuf>) {
        let mut before = mem::take(&mut self.named);
        let known = |path: PathBuf| (path.clone(), before.remove(&path).flatten());
        self.named = named.into_iter().map(known).collect();
    }

    /// Waits for the next change; false on shutdown.
    pub async fn next(&mut self, shutdown: &Shutdown) -> bool {
        loop {
            tokio::select! {
                () = shutdown.requested() => return false,
                () = tokio::time::sleep(LOOK) => {}
            }
            let mut changed = false;
            let first = (&self.path, &mut self.known);
            for (path, known) in std::iter::once(first).chain(&mut self.named) {
                let found = stamp(path);
                changed |= found != *known;
                *known = found;
            }
            if changed {
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

    #[tokio::test]
    async fn a_change_of_a_named_file_is_one_until_it_is_no_longer_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, named) = (folder.path().join("file"), folder.path().join("named"));
        let shutdown = Shutdown::new(Duration::from_secs(1));
        std::fs::write(&path, "names it").expect("written");
        std::fs::write(&named, "one").expect("written");
        let mut changes = Changes::of(&path);
        changes.also([named.clone()]);
        assert!(changes.next(&shutdown).await, "a new name is a change");
        changes.also([named.clone()]);
        std::fs::write(&named, "three").expect("written");
        assert!(changes.next(&shutdown).await);
        changes.also([]);
        std::fs::write(&named, "fourteen").expect("written");
        shutdown.request();
        assert!(!changes.next(&shutdown).await);
    }
}
