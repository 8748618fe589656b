//! Keys: how they are read, named, and made.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, RandomizedNonceKey};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use crate::SealError;

pub(crate) const KEY_ID_LEN: usize = 4;
const KEY_LEN: usize = 32;

/// A key that seals and opens.
pub(crate) struct Key {
    /// Follows from the key, so that the order in which keys are configured does not matter for opening.
    pub(crate) id: [u8; KEY_ID_LEN],
    pub(crate) cipher: RandomizedNonceKey,
}

impl Key {
    pub(crate) fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(text).map_err(|_| SealError::BadKey)?;
        if bytes.len() != KEY_LEN {
            return Err(SealError::BadKey);
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| SealError::BadKey)?;
        let hash = digest::digest(&digest::SHA256, &[b"imagioo seal key id ".as_slice(), &bytes].concat());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&hash.as_ref()[..KEY_ID_LEN]);
        Ok(Self { id, cipher })
    }
}

/// A new key as the configuration wants it.
///
/// # Errors
/// [`SealError::NoRandomness`].
pub fn new_key() -> Result<SecretString, SealError> {
    let mut bytes = [0_u8; KEY_LEN];
    rand::fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
    Ok(STANDARD.encode(bytes).into())
}

/// Why a key file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no key to write.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The file cannot be written.
    #[error("key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Creates a file with a new key that only its owner can read; touches nothing that exists. Of several that do so at
/// once, one wins, and none ever reads half a key.
///
/// # Errors
/// [`KeyFileError`]
pub fn create_key_file(path: &Path) -> Result<(), KeyFileError> {
    let at = |source| KeyFileError::File { path: path.to_owned(), source };
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(at)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at)?;
    let key = new_key()?;
    file.write_all(key.expose_secret().as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(at)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(at(error.error)),
        _ => Ok(()),
    }
}
