//! The file of the profiles: readable by its owner only, replaced as a whole, changed under a lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Profile, Profiles};
use crate::environment;

/// Why the profiles cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// There is no place for them.
    #[error("there is no folder for profiles: set HOME or IMAGIOO_CONFIG_DIR")]
    Homeless,
    /// The file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is not what this program wrote.
    #[error("{} is damaged: mend it, or delete it and sign in again", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
    /// The profiles cannot be written as TOML.
    #[error("a profile cannot be written down")]
    Encode(#[source] toml::ser::Error),
}

/// The folder that holds the profiles.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The profiles in this folder, which need not exist.
    pub(crate) fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The profiles of the person who runs this process.
    ///
    /// # Errors
    /// [`ProfileError::Homeless`].
    pub(crate) fn of_user() -> Result<Self, ProfileError> {
        environment::config_folder().map(Self::in_folder).ok_or(ProfileError::Homeless)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file itself.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("profiles.toml")
    }

    /// Reads every profile; none when there is no file.
    ///
    /// # Errors
    /// [`ProfileError::File`], [`ProfileError::Damaged`].
    pub(crate) fn load(&self) -> Result<Profiles, ProfileError> {
        let path = self.file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profiles::default()),
            Err(source) => return Err(ProfileError::File { doing: "read", path, source }),
        };
        toml::from_str(&text).map_err(|mut source| {
            // The text around the fault may be a secret.
            source.set_input(None);
            ProfileError::Damaged { path, source }
        })
    }

    /// Takes the profiles for changing; waits while another process has them. The lock ends with the value.
    ///
    /// # Errors
    /// [`ProfileError::File`].
    pub(crate) fn lock(&self) -> Result<Locked, ProfileError> {
        let builder = &mut DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.folder);
        made.map_err(self.failed("create", &self.folder))?;
        let path = self.folder.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = open.map_err(self.failed("open", &path))?;
        lock.lock().map_err(self.failed("lock", &path))?;
        Ok(Locked { store: self.clone(), _lock: lock })
    }

    /// Changes the profiles in one step that no other process can disturb.
    ///
    /// # Errors
    /// [`ProfileError`]; then nothing has changed.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Profiles) -> T) -> Result<T, ProfileError> {
        self.lock()?.change(change)
    }

    /// Adds a profile unless one has this name, which is left as it is; says whether it was added. The first profile
    /// becomes the default.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub(crate) fn insert_if_absent(&self, name: &str, profile: Profile) -> Result<bool, ProfileError> {
        self.change(|profiles| profiles.insert_if_absent(name, profile))
    }

    fn failed(&self, doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProfileError {
        move |source| ProfileError::File { doing, path: path.to_owned(), source }
    }
}

/// The profiles while no other process may change them.
#[derive(Debug)]
pub(crate) struct Locked {
    store: Store,
    _lock: File,
}

impl Locked {
    /// Reads every profile.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub(crate) fn load(&self) -> Result<Profiles, ProfileError> {
        self.store.load()
    }

    /// Reads, changes and writes the profiles.
    ///
    /// # Errors
    /// [`ProfileError`]; then the file is as it was.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Profiles) -> T) -> Result<T, ProfileError> {
        let mut profiles = self.load()?;
        let answer = change(&mut profiles);
        self.save(&profiles)?;
        Ok(answer)
    }

    fn save(&self, profiles: &Profiles) -> Result<(), ProfileError> {
        let text = toml::to_string(profiles).map_err(ProfileError::Encode)?;
        let path = self.store.file();
        self.replace(&path, text.as_bytes()).map_err(self.store.failed("write", &path))
    }

    /// A reader sees the old file or the new one, whole; a crash leaves one of them.
    fn replace(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        // Temporary files are readable by their owner only.
        let mut file = tempfile::Builder::new().prefix(".profiles-").tempfile_in(&self.store.folder)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(&self.store.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::{ExposeSecret as _, SecretString};
    use time::macros::datetime;

    use super::*;
    use crate::address::Address;
    use crate::profile::Tokens;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it exists").permissions().mode() & 0o777
    }

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::in_folder(home.path().join("config/imagioo"));
        (home, store)
    }

    fn profile(email: &str) -> Profile {
        Profile::new(Address::default(), Some(email.to_owned()))
    }

    #[test]
    fn only_the_owner_can_read_the_folder_and_the_file() {
        let (_home, store) = store();
        assert!(store.insert_if_absent("a", profile("a@example.org")).expect("written"));
        assert_eq!(mode(store.folder()), 0o700);
        assert_eq!(mode(&store.file()), 0o600);
    }

    #[test]
    fn a_file_that_others_could_read_is_closed_at_the_next_change() {
        let (_home, store) = store();
        store.insert_if_absent("a", profile("a@example.org")).expect("written");
        std::fs::set_permissions(store.file(), std::fs::Permissions::from_mode(0o644)).expect("opened");
        store.change(|profiles| profiles.make_default("a")).expect("written");
        assert_eq!(mode(&store.file()), 0o600);
    }

    #[test]
    fn an_existing_profile_is_never_overwritten_and_the_first_is_the_default() {
        let (_home, store) = store();
        assert!(store.insert_if_absent("first", profile("a@example.org")).expect("written"));
        assert!(store.insert_if_absent("second", profile("b@example.org")).expect("written"));
        assert!(!store.insert_if_absent("first", profile("c@example.org")).expect("read"));
        let profiles = store.load().expect("read");
        assert_eq!(profiles.default_name(), "first");
        assert_eq!(profiles.get("first").and_then(|found| found.email.as_deref()), Some("a@example.org"));
    }

    #[test]
    fn a_profile_reads_back_with_its_secrets_and_never_prints_them() {
        let (_home, store) = store();
        let mut written = profile("a@example.org");
        written.api_key = Some("img_live_secret".into());
        written.session = Some(Tokens {
            refresh_token: "rt_secret".into(),
            access_token: "at_secret".into(),
            access_expires: datetime!(2026-01-02 03:04:05 UTC),
        });
        assert!(!format!("{written:?}").contains("secret_") && !format!("{written:?}").contains("img_live"));
        store.insert_if_absent("a", written).expect("written");
        let profiles = store.load().expect("read");
        let read = profiles.get("a").expect("it is there");
        let api_key = read.api_key.as_ref().map(SecretString::expose_secret);
        assert_eq!(api_key, Some("img_live_secret"));
        let session = read.session.as_ref().expect("a session");
        assert_eq!(session.refresh_token.expose_secret(), "rt_secret");
        assert_eq!(session.access_expires, datetime!(2026-01-02 03:04:05 UTC));
    }

    #[test]
    fn a_change_leaves_no_temporary_file_and_a_damaged_file_as_it_was() {
        let (_home, store) = store();
        store.insert_if_absent("a", profile("a@example.org")).expect("written");
        let names = || {
            let entries = std::fs::read_dir(store.folder()).expect("a folder");
            let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["lock", "profiles.toml"]);
        std::fs::write(store.file(), "api_key = secret-value").expect("written");
        let error = store.insert_if_absent("b", profile("b@example.org")).expect_err("damaged");
        assert!(!format!("{error:?}").contains("secret-value"), "{error:?}");
        let left = std::fs::read_to_string(store.file()).expect("read");
        assert_eq!(left, "api_key = secret-value");
        assert_eq!(names(), ["lock", "profiles.toml"]);
    }

    #[test]
    fn changes_of_many_processes_are_all_kept() {
        let (_home, store) = store();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    let name = format!("p{number}");
                    assert!(store.insert_if_absent(&name, profile(&name)).expect("written"));
                });
            }
        });
        assert_eq!(store.load().expect("read").iter().count(), 8);
    }
}
