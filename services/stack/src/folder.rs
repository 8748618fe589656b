//! Where a stack's data lies, and which process it belongs to.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use imagioo_runtime::postgres;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::Pid;

/// Ignored by git.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local");

/// The folder of one stack.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// The right to run the stack of a folder; the kernel takes it back when this process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Folder {
    /// This folder, or the one of this repository.
    #[must_use]
    pub fn new(asked: Option<&Path>) -> Self {
        let in_repository = || {
            let parent = Path::new(REPOSITORY);
            postgres::folder_in_reach(
                &fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned()),
                "imagioo-stack",
            )
        };
        Self(asked.map_or_else(in_repository, Path::to_owned))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Creates what is missing.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        let make = |path: &Path, mode| {
            DirBuilder::new().recursive(true).mode(mode).create(path).with_context(|| {
                format!("cannot create {}: choose another folder with --data", path.display())
            })
        };
        // PostgreSQL may run as another user and must pass through.
        make(&self.0, 0o711)?;
        for private in [self.keys(), self.configs(), self.logs()] {
            make(&private, 0o700)?;
        }
        Ok(())
    }

    /// The services' keys, and the operator's.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// What secrets in the database are sealed with.
    #[must_use]
    pub fn seal_key(&self) -> PathBuf {
        self.keys().join("seal.key")
    }

    /// What every process logs, one file each.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub(crate) fn configs(&self) -> PathBuf {
        self.0.join("config")
    }

    pub(crate) fn server(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Takes the folder for this process.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.lock_file();
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match fcntl(&file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK))) {
            Ok(_) => Ok(Lock(file)),
            Err(Errno::EAGAIN | Errno::EACCES) => {
                anyhow::bail!("the stack in {} is already running", self.0.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The process that runs the stack of this folder. The kernel knows it; no file can be out of date.
    ///
    /// # Errors
    /// The lock cannot be looked at.
    pub fn holder(&self) -> anyhow::Result<Option<Pid>> {
        let Ok(file) = File::options().read(true).write(true).open(self.lock_file()) else { return Ok(None) };
        let mut lock = whole(libc::F_WRLCK);
        fcntl(&file, FcntlArg::F_GETLK(&mut lock)).context("cannot look at the stack's lock")?;
        Ok((i32::from(lock.l_type) != libc::F_UNLCK).then(|| Pid::from_raw(lock.l_pid)))
    }
}

/// A lock of a whole file.
fn whole(kind: i32) -> libc::flock {
    let short = |value: i32| i16::try_from(value).unwrap_or_default();
    libc::flock { l_type: short(kind), l_whence: short(libc::SEEK_SET), l_start: 0, l_len: 0, l_pid: 0 }
}
