//! The accounts in `<data>/config/worker.toml`, whose comments and other settings stay as they are, and their keys in
//! `<data>/keys`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imagioo_runtime::Settings;
use imagioo_types::SystemClock;
use imagioo_worker::{Config, DEFAULTS, Registry};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::failure::Failure;
use crate::serve::data::DataFolder;

/// An account as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) base_url: Option<String>,
    /// Whether there is a key.
    pub(super) key: bool,
}

/// The accounts of a data folder, perhaps changed and not yet kept.
#[derive(Debug)]
pub(super) struct Accounts {
    file: PathBuf,
    keys: PathBuf,
    document: DocumentMut,
    /// A key that is not kept yet.
    fresh: Option<(String, SecretString)>,
    /// The key of an account that is no longer one.
    stale: Option<PathBuf>,
}

impl Accounts {
    /// The accounts of a data folder; none when it has no file for them.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML.
    pub(super) fn of(data: &DataFolder) -> Result<Self, Failure> {
        let file = data.root().join("config").join("worker.toml");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Failure::File { doing: "read", path: file, source }),
        };
        let document = text.parse().map_err(|error: toml_edit::TomlError| {
            Failure::usage(format!("{}: {}", file.display(), error.message()), "mend the file first")
        })?;
        Ok(Self { file, keys: data.keys(), document, fresh: None, stale: None })
    }

    pub(super) fn list(&self) -> Vec<Account> {
        let text = |account: &Item, key: &str| account.get(key).and_then(Item::as_str).map(str::to_owned);
        let accounts = self.document.get("providers").and_then(Item::as_table_like);
        accounts
            .into_iter()
            .flat_map(toml_edit::TableLike::iter)
            .map(|(name, account)| Account {
                name: name.to_owned(),
                kind: text(account, "kind").unwrap_or_default(),
                base_url: text(account, "base_url"),
                key: account.get("api_key").or_else(|| account.get("api_key_file")).is_some(),
            })
            .collect()
    }

    /// The same with one more account, or with one changed.
    ///
    /// # Errors
    /// The name is none, or the file has something else where accounts are.
    pub(super) fn with(
        mut self,
        name: &str,
        kind: &str,
        base_url: Option<&str>,
        key: Option<&SecretString>,
    ) -> Result<Self, Failure> {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if !(1..=40).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(Failure::usage(
                format!("`{name}` cannot be the name of an account"),
                "use lower-case letters, digits and hyphens",
            ));
        }
        let key_file = self.key_file(name);
        let providers = self.document.entry("providers").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let strange = || Failure::usage("`providers` in worker.toml is no table", "mend the file first");
        let providers = providers.as_table_like_mut().ok_or_else(strange)?;
        let account = providers.entry(name).or_insert_with(|| Item::Table(Table::new()));
        let account = account.as_table_like_mut().ok_or_else(strange)?;
        account.insert("kind", value(kind));
        if let Some(base_url) = base_url {
            account.insert("base_url", value(base_url));
        }
        account.remove("api_key");
        match key {
            Some(key) => {
                account.insert("api_key_file", value(key_file.display().to_string()));
                self.fresh = Some((name.to_owned(), key.clone()));
            }
            None => drop(account.remove("api_key_file")),
        }
        Ok(self)
    }

    /// The same without an account.
    ///
    /// # Errors
    /// There is none by that name.
    pub(super) fn without(mut self, name: &str) -> Result<Self, Failure> {
        let providers = self.document.get_mut("providers").and_then(Item::as_table_like_mut);
        let removed = providers.and_then(|providers| providers.remove(name));
        removed.ok_or_else(|| Failure::NotFound(format!("there is no account `{name}`")))?;
        self.stale = Some(self.key_file(name));
        Ok(self)
    }

    /// Proves an account by a call that costs nothing.
    ///
    /// # Errors
    /// There is none by that name, it makes no sense, or the provider does not accept it.
    pub(super) async fn check(&self, name: &str) -> Result<(), Failure> {
        let senseless = |error: &dyn std::fmt::Display| {
            Failure::usage(error.to_string(), "see deploy/config/worker.toml for what an account is told")
        };
        let mut overrides: toml::Table =
            self.document.to_string().parse().map_err(|error: toml::de::Error| senseless(&error))?;
        if let Some((fresh, key)) = &self.fresh {
            let account = overrides.get_mut("providers").and_then(|all| all.get_mut(fresh));
            if let Some(account) = account.and_then(toml::Value::as_table_mut) {
                account.remove("api_key_file");
                account.insert("api_key".to_owned(), key.expose_secret().into());
            }
        }
        let settings =
            Settings::from_parts("worker", DEFAULTS, overrides).map_err(|error| senseless(&error))?;
        let config: Config = settings.read().map_err(|error| senseless(&error))?;
        let clock: Arc<dyn imagioo_types::Clock> = Arc::new(SystemClock);
        let registry = Registry::from_config(&config, &clock).map_err(|error| senseless(&error))?;
        let checked = registry.check(name).await;
        let checked = checked.ok_or_else(|| Failure::NotFound(format!("there is no account `{name}`")))?;
        checked.map_err(|error| Failure::Provider { name: name.to_owned(), error: Box::new(error) })
    }

    /// Writes what was changed. Whatever moment is the last one, the file names no key that is not there: a new one is
    /// written before, and an old one removed after.
    ///
    /// # Errors
    /// A file cannot be written; what was there stays.
    pub(super) fn keep(&self, key: Option<(&str, &SecretString)>) -> Result<(), Failure> {
        if let Some((name, key)) = key {
            replace(&self.key_file(name), key.expose_secret().as_bytes())?;
        }
        replace(&self.file, self.document.to_string().as_bytes())?;
        match &self.stale {
            Some(path) => remove(path),
            None => Ok(()),
        }
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.keys.join(format!("provider-{name}.key"))
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Failure::File { doing: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source: io::Error| Failure::File { doing: "write", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(data: &DataFolder) -> Accounts {
        Accounts::of(data).expect("readable")
    }

    #[test]
    fn an_account_is_kept_beside_what_was_there_and_its_key_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(Some(folder.path())).expect("a data folder");
        let file = folder.path().join("config/worker.toml");
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(&file, "# mine\n[results]\nmax_pixels = 100 # enough\n").expect("written");
        let key: SecretString = "sk-secret".into();
        accounts(&data)
            .with("openai", "openai", None, Some(&key))
            .expect("added")
            .keep(Some(("openai", &key)))
            .expect("kept");
        let text = fs::read_to_string(&file).expect("readable");
        assert!(text.starts_with("# mine\n[results]\nmax_pixels = 100 # enough\n"), "{text}");
        assert!(!text.contains("sk-secret"), "{text}");
        let path = folder.path().join("keys/provider-openai.key");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "sk-secret");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let listed = accounts(&data).list();
        assert_eq!(
            listed,
            [Account { name: "openai".into(), kind: "openai".into(), base_url: None, key: true }]
        );
        accounts(&data).without("openai").expect("removed").keep(None).expect("kept");
        assert!(accounts(&data).list().is_empty() && !path.exists());
        assert!(matches!(accounts(&data).without("openai"), Err(Failure::NotFound(_))));
    }

    #[test]
    fn a_key_stays_as_long_as_the_file_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(Some(folder.path())).expect("a data folder");
        let key: SecretString = "sk-secret".into();
        let kept = Some(("openai", &key));
        accounts(&data).with("openai", "openai", None, Some(&key)).expect("added").keep(kept).expect("kept");
        let path = folder.path().join("keys/provider-openai.key");
        let removed = accounts(&data).without("openai").expect("removed");
        assert!(path.exists() && accounts(&data).list().len() == 1, "nothing has happened yet");
        // A folder in the file's place: it cannot be written.
        let file = folder.path().join("config/worker.toml");
        let text = fs::read_to_string(&file).expect("readable");
        fs::remove_file(&file).expect("removed");
        fs::create_dir_all(file.join("in the way")).expect("a folder");
        assert!(removed.keep(None).is_err());
        assert!(path.exists(), "the key is still named");
        fs::remove_dir_all(&file).expect("removed");
        fs::write(&file, text).expect("written");
        removed.keep(None).expect("kept");
        assert!(!path.exists() && accounts(&data).list().is_empty());
    }

    #[tokio::test]
    async fn an_account_that_does_not_work_is_told_apart_from_one_that_makes_no_sense() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(Some(folder.path())).expect("a data folder");
        let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", unused.local_addr().expect("bound"));
        drop(unused);
        let down = accounts(&data).with("comfyui", "comfyui", Some(&address), None).expect("added");
        assert!(matches!(down.check("comfyui").await, Err(Failure::Provider { .. })));
        let senseless = accounts(&data).with("comfyui", "comfyui", Some("ftp://x"), None).expect("added");
        assert!(matches!(senseless.check("comfyui").await, Err(Failure::Usage { .. })));
        assert!(accounts(&data).list().is_empty(), "nothing was kept");
        for name in ["", "Open AI", "../x"] {
            assert!(accounts(&data).with(name, "openai", None, None).is_err(), "{name}");
        }
    }
}
