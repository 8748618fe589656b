//! The data folder: where everything lives, and for whom it must be reachable.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use imagioo_runtime::postgres;

/// Everything of one embedded server.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder that was asked for, or the default one; creates what is missing.
    pub(crate) fn open(asked: Option<&Path>) -> anyhow::Result<Self> {
        let root = asked.map_or_else(Self::default_path, |path| Ok(path.to_owned()))?;
        let root = std::path::absolute(&root).with_context(|| root.display().to_string())?;
        let data = Self(root);
        // PostgreSQL may run as another user and must pass through the root; what is private is so itself.
        folder(&data.0, 0o711)?;
        folder(&data.keys(), 0o700)?;
        folder(&data.objects(), 0o700)?;
        folder(&data.dead_letters(), 0o700)?;
        Ok(data)
    }

    /// The user's data folder, or one that PostgreSQL can enter.
    pub(crate) fn default_path() -> anyhow::Result<PathBuf> {
        let in_home = dirs::data_dir()
            .context("neither XDG_DATA_HOME nor HOME is set: say where the data goes with --data DIR")?;
        Ok(postgres::folder_in_reach(&in_home, "imagioo"))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// What secrets in the database are sealed with.
    pub(crate) fn seal_key(&self) -> PathBuf {
        self.keys().join("seal.key")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// Messages that no consumer could handle.
    pub(crate) fn dead_letters(&self) -> PathBuf {
        self.0.join("dead-letters")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// Where fetched programs go.
    pub(crate) fn programs(&self) -> PathBuf {
        self.0.join("programs")
    }

    /// Configuration files of single services.
    pub(crate) fn config(&self, service: &str) -> Option<PathBuf> {
        Some(self.0.join("config").join(format!("{service}.toml"))).filter(|path| path.exists())
    }

    /// What the demo remembers.
    pub(crate) fn demo(&self) -> PathBuf {
        self.0.join("demo.toml")
    }

    /// Where the demo's image goes.
    pub(crate) fn first_image(&self) -> PathBuf {
        self.0.join("first-image.png")
    }
}

fn folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot create {}: choose another folder with --data DIR", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_images_are_private_whatever_the_folder_above() {
        let place = tempfile::tempdir().expect("folder");
        let data = DataFolder::open(Some(&place.path().join("data"))).expect("opened");
        for private in [data.keys(), data.objects(), data.dead_letters()] {
            let mode = fs::metadata(&private).expect("created").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", private.display());
        }
    }
}
