//! The user that the server runs as: ourselves, or for root an unprivileged one.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;

use nix::unistd::{User, geteuid};
use tokio::process::Command;

use super::PostgresError;
use super::folder::Folder;

/// Users that root may hand the server to, in order.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// The user and group `nobody` where no name service knows it.
const NOBODY: (u32, u32) = (65534, 65534);

/// The user that the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    /// User and group to drop to; `None` when we are not root.
    other: Option<(u32, u32)>,
}

impl Account {
    /// Whoever owns the cluster; for a new one ourselves, or an unprivileged user when we are root.
    pub(super) fn of(folder: &Folder) -> Result<Self, PostgresError> {
        let data = folder.data();
        let owner = match fs::metadata(&data) {
            Ok(metadata) => Some((metadata.uid(), metadata.gid())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(PostgresError::File { action: "look at", path: data, source }),
        };
        let me = geteuid();
        match owner {
            Some((uid, _)) if uid == 0 || !(me.is_root() || uid == me.as_raw()) => {
                Err(PostgresError::ForeignData { data, owner: uid })
            }
            Some(owner) if me.is_root() => Ok(Self { other: Some(owner) }),
            None if me.is_root() => Ok(Self { other: Some(unprivileged()) }),
            _ => Ok(Self { other: None }),
        }
    }

    /// Runs a program as this user, in its own process group, with nothing of our environment.
    pub(super) fn command(&self, program: &Path, folder: &Folder) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .envs(std::env::var_os("LD_LIBRARY_PATH").map(|paths| ("LD_LIBRARY_PATH", paths)))
            .current_dir(folder.path())
            .stdin(std::process::Stdio::null())
            .process_group(0);
        if let Some((uid, gid)) = self.other {
            // Dropping root this way also drops its supplementary groups.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands a file or folder to this user.
    pub(super) fn give(&self, path: &Path) -> Result<(), PostgresError> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(PostgresError::file("hand over", path))
    }

    /// Makes a folder that only this user may enter.
    pub(super) fn private_folder(&self, path: &Path) -> Result<(), PostgresError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(PostgresError::file("create the folder", path))?;
        self.give(path)
    }

    /// Refuses a path that this user cannot enter.
    pub(super) fn require_path(&self, path: &Path) -> Result<(), PostgresError> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        for folder in path.ancestors() {
            let metadata = fs::metadata(folder).map_err(PostgresError::file("look at", folder))?;
            let entry = match (metadata.uid() == uid, metadata.gid() == gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if metadata.mode() & entry == 0 {
                return Err(PostgresError::Unreachable { closed: folder.to_owned(), uid });
            }
        }
        Ok(())
    }
}

fn unprivileged() -> (u32, u32) {
    UNPRIVILEGED
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map_or(NOBODY, |user| (user.uid.as_raw(), user.gid.as_raw()))
}
