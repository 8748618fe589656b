//! The folder of one server, with what its programs print.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

/// Everything that the programs print.
const OUTPUT: &str = "output";
/// Output longer than this is begun anew at the next start.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;

/// A folder that stays, or goes with this value.
#[derive(Debug)]
pub(crate) enum Home {
    Kept(PathBuf),
    Fresh(TempDir),
}

impl Home {
    /// The folder itself, created when it is missing.
    pub(crate) fn keep(folder: &Path) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self::Kept(folder.canonicalize()?))
    }

    /// A new folder inside `parent`.
    pub(crate) fn fresh(parent: &Path, prefix: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(parent)?;
        Ok(Self::Fresh(tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Fresh(folder) => folder.path(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// A file that only its owner can read.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path().join(name);
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// A secret that is made once and stays with the data.
    pub(crate) fn secret(&self, name: &str, make: impl FnOnce() -> String) -> anyhow::Result<String> {
        let path = self.path().join(name);
        if !path.exists() {
            self.write_private(name, &make())?;
        }
        Ok(fs::read_to_string(path)?)
    }

    /// Where a program's output goes.
    pub(crate) fn output(&self) -> Stdio {
        let file = File::options().create(true).append(true).open(self.path().join(OUTPUT));
        file.map_or_else(|_| Stdio::null(), Stdio::from)
    }

    /// Begins the output anew when it has become long.
    pub(crate) fn trim_output(&self) {
        let path = self.path().join(OUTPUT);
        if fs::metadata(&path).is_ok_and(|output| output.len() > OUTPUT_LIMIT) {
            // What cannot be removed grows on; nothing else depends on it.
            fs::remove_file(path).unwrap_or_default();
        }
    }

    /// The end of what the programs printed.
    pub(crate) fn last_words(&self) -> String {
        let output = fs::read_to_string(self.path().join(OUTPUT)).unwrap_or_default();
        let mut lines: Vec<_> = output.lines().rev().take(20).collect();
        lines.reverse();
        lines.join("\n")
    }
}
