//! The folder of a private server: its lock, its places, and who may enter them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::PostgresError;
use super::account::Account;

/// The longest path of a socket's folder: a socket's own name follows, and 108 bytes are the end.
const SOCKET_PATH_LIMIT: usize = 90;
/// A log longer than this is begun anew at the next start.
const LOG_LIMIT: u64 = 4 * 1024 * 1024;
/// How much of a log an error shows, in bytes.
const LOG_TAIL: u64 = 1500;

/// A folder that this process has locked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder if it is missing and locks it until the value is dropped or the process ends.
    pub(super) fn lock(path: &Path) -> Result<Self, PostgresError> {
        // Root's server runs as another user, who must be able to enter.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(PostgresError::file("create the folder", path))?;
        let path = path.canonicalize().map_err(PostgresError::file("find the folder", path))?;
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&file)
            .map_err(PostgresError::file("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PostgresError::Locked { folder: path }),
            Err(TryLockError::Error(source)) => {
                Err(PostgresError::File { action: "lock", path: file, source })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    pub(super) fn password(&self) -> PathBuf {
        self.path.join("superuser-password")
    }

    /// The version that wrote the cluster; `None` before there is one.
    pub(super) fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Checks that the server's user can get here and gives it a folder for its sockets.
    pub(super) fn prepare(&self, account: &Account) -> Result<(), PostgresError> {
        if self.socket().as_os_str().as_bytes().len() > SOCKET_PATH_LIMIT {
            return Err(PostgresError::PathTooLong { socket: self.socket() });
        }
        account.require_path(&self.path)?;
        account.private_folder(&self.socket())
    }

    /// Removes the sockets of servers that were killed. Nothing may be running.
    pub(super) fn remove_sockets(&self) -> Result<(), PostgresError> {
        let folder = self.socket();
        let failed = |source| PostgresError::File { action: "empty", path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(())
    }

    /// Opens the server's log, and says how long it is already.
    pub(super) fn open_log(&self) -> Result<(File, u64), PostgresError> {
        let path = self.log();
        let failed = |source| PostgresError::File { action: "open", path: path.clone(), source };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.size();
        if length <= LOG_LIMIT {
            return Ok((file, length));
        }
        file.set_len(0).map_err(failed)?;
        Ok((file, 0))
    }

    /// The end of the log, of what was written after `from` bytes.
    pub(super) fn log_since(&self, from: u64) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.size();
            file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_TAIL))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("its log cannot be read ({error})"))
    }
}

/// Writes a file that only its owner may read, entirely or not at all.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), PostgresError> {
    let unfinished = path.with_extension("unfinished");
    let write = || -> std::io::Result<()> {
        // A left-over may have other permissions.
        if unfinished.exists() {
            fs::remove_file(&unfinished)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(PostgresError::file("write", path))
}
