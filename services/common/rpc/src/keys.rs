//! The keys by which services recognise each other: one Ed25519 pair per service, public halves known to all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use imagioo_types::{Clock, ServiceName};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Deserialize;

/// Where a service finds its key and those of its peers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// File with this service's private key: PKCS #8, base64, mode 600.
    pub service_key_file: PathBuf,
    /// JSON file: service name → list of public keys (base64url), the newest first; two during a rotation.
    pub peer_keys_file: PathBuf,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A key file does not contain what it should.
    #[error("key file {path} is damaged: create the keys anew")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No key pair can be made.
    #[error("cannot generate a key pair")]
    Generate,
}

/// This service's private key and everybody's public keys.
#[derive(Clone)]
pub struct ServiceKeys {
    pub(crate) me: ServiceName,
    pub(crate) own: Arc<EncodingKey>,
    pub(crate) peers: Arc<BTreeMap<ServiceName, Vec<DecodingKey>>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl ServiceKeys {
    /// Reads the configured files.
    ///
    /// # Errors
    /// [`KeyError`] names the file that is missing or damaged.
    pub fn load(config: &IdentityConfig, me: ServiceName, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let own = read_private(&config.service_key_file)?;
        let peers = read_public(&config.peer_keys_file)?
            .into_iter()
            .map(|(name, keys)| {
                let decode = |key: &String| DecodingKey::from_ed_components(key);
                keys.iter().map(decode).collect::<Result<_, _>>().map(|keys| (name, keys))
            })
            .collect::<Result<_, _>>()
            .map_err(|_| KeyError::Damaged { path: config.peer_keys_file.clone() })?;
        Ok(Self { me, own: Arc::new(own), peers: Arc::new(peers), clock })
    }

    /// The service whose private key this is.
    #[must_use]
    pub fn me(&self) -> ServiceName {
        self.me
    }
}

/// Creates what is missing of every service's key and the list of public keys in a folder; touches nothing that exists.
///
/// # Errors
/// [`KeyError`] names the file that could not be written.
pub fn generate(folder: &Path) -> Result<(), KeyError> {
    let at = |source| KeyError::File { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(at)?;
    let mut public = BTreeMap::new();
    for name in ServiceName::ALL {
        let path = folder.join(format!("{name}.key"));
        if !path.exists() {
            write_private(&path, &new_pkcs8()?)?;
        }
        public.insert(name, vec![public_half(&path)?]);
    }
    let path = folder.join("peers.json");
    let damaged = |_| KeyError::Damaged { path: path.clone() };
    let json = serde_json::to_vec_pretty(&public).map_err(damaged)?;
    if !path.exists() {
        fs::write(&path, json).map_err(|source| KeyError::File { path: path.clone(), source })?;
    }
    Ok(())
}

/// The configuration of one service whose keys [`generate`] put into `folder`.
#[must_use]
pub fn config_in(folder: &Path, service: ServiceName) -> IdentityConfig {
    IdentityConfig {
        service_key_file: folder.join(format!("{service}.key")),
        peer_keys_file: folder.join("peers.json"),
    }
}

/// A new Ed25519 private key, PKCS #8.
///
/// # Errors
/// [`KeyError::Generate`] when the system has no randomness.
pub fn new_pkcs8() -> Result<Vec<u8>, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
    Ok(pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?.as_ref().to_vec())
}

/// Writes a private key to a new file that only its owner can read.
///
/// # Errors
/// [`KeyError::File`], also when the file exists.
pub fn write_private(path: &Path, pkcs8: &[u8]) -> Result<(), KeyError> {
    let at = |source| KeyError::File { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at)?;
    file.write_all(STANDARD.encode(pkcs8).as_bytes()).and_then(|()| file.sync_all()).map_err(at)
}

/// Reads a private key that [`write_private`] wrote.
///
/// # Errors
/// [`KeyError`] when the file is missing or damaged.
pub fn read_pkcs8(path: &Path) -> Result<Vec<u8>, KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    STANDARD.decode(text.trim()).map_err(|_| KeyError::Damaged { path: path.to_owned() })
}

fn read_private(path: &Path) -> Result<EncodingKey, KeyError> {
    let pkcs8 = read_pkcs8(path)?;
    Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| KeyError::Damaged { path: path.to_owned() })?;
    Ok(EncodingKey::from_ed_der(&pkcs8))
}

fn public_half(path: &Path) -> Result<String, KeyError> {
    let pair = Ed25519KeyPair::from_pkcs8(&read_pkcs8(path)?)
        .map_err(|_| KeyError::Damaged { path: path.to_owned() })?;
    Ok(URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()))
}

fn read_public(path: &Path) -> Result<BTreeMap<ServiceName, Vec<String>>, KeyError> {
    let json = fs::read(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    serde_json::from_slice(&json).map_err(|_| KeyError::Damaged { path: path.to_owned() })
}
