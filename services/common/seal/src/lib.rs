//! Seals small secrets so that a database that is read by others tells them nothing.
//!
//! AES-256-GCM-SIV, which stays safe should a random nonce ever repeat. A sealed value is
//! `format (1 byte) | key id (4) | nonce (12) | ciphertext and tag`. It opens only under the [`Binding`] it was sealed
//! under, so that a value copied into another row, or used for another purpose, is noticed.

mod binding;
mod keys;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::Deserialize;

pub use binding::Binding;
use keys::{KEY_ID_LEN, Key};
pub use keys::{KeyFileError, create_key_file, new_key};

/// The only format so far.
const FORMAT: u8 = 1;
const HEAD: usize = 1 + KEY_ID_LEN;

/// The keys of a service: the section `[seal]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealConfig {
    /// One or more keys of 32 bytes in base64, separated by white space. The first seals; the others, its predecessors,
    /// only open what they sealed.
    pub key: SecretString,
}

/// Why the keys cannot be used, or why a value cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No key is configured.
    #[error("seal.key is empty: give 32 random bytes in base64, best as a file with seal.key_file")]
    NoKey,
    /// A configured key is none.
    #[error("seal.key holds something that is not 32 bytes in base64")]
    BadKey,
    /// A key is configured twice.
    #[error("seal.key holds the same key twice")]
    SameKey,
    /// What is to be opened was never sealed, or in a format of the future.
    #[error("the value is not a sealed one")]
    Malformed,
    /// It was sealed with a key that is not configured any more.
    #[error("the value was sealed with a key that seal.key no longer holds")]
    UnknownKey,
    /// It was changed, or belongs to something else.
    #[error("the sealed value is damaged or belongs to something else")]
    Damaged,
    /// The system could not give random bytes.
    #[error("the system has no randomness")]
    NoRandomness,
}

/// Seals with the newest key, opens with every configured one. Clones share the keys.
#[derive(Clone)]
pub struct Sealer(Arc<Vec<Key>>);

impl Sealer {
    /// A sealer with the configured keys.
    ///
    /// # Errors
    /// [`SealError::NoKey`], [`SealError::BadKey`] and [`SealError::SameKey`].
    pub fn new(config: &SealConfig) -> Result<Self, SealError> {
        let mut keys: Vec<Key> = Vec::new();
        for text in config.key.expose_secret().split_whitespace() {
            let key = Key::parse(text)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(SealError::SameKey);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(SealError::NoKey) } else { Ok(Self(Arc::new(keys))) }
    }

    /// Seals a value for one purpose of one subject.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, binding: Binding<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError::NoKey)?;
        let mut text = value.to_vec();
        let head = head(key);
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(binding.bytes(&head)), &mut text)
            .map_err(|_| SealError::NoRandomness)?;
        Ok([head.as_slice(), nonce.as_ref(), &text].concat())
    }

    /// Opens what [`Self::seal`] sealed under the same binding.
    ///
    /// # Errors
    /// [`SealError::Malformed`], [`SealError::UnknownKey`] and [`SealError::Damaged`].
    pub fn open(&self, binding: Binding<'_>, sealed: &[u8]) -> Result<SecretSlice<u8>, SealError> {
        let (head, rest) = sealed.split_at_checked(HEAD).ok_or(SealError::Malformed)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
        let key = self.key_of(head)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let mut text = text.to_vec();
        let opened = key
            .cipher
            .open_in_place(nonce, Aad::from(binding.bytes(head)), &mut text)
            .map_err(|_| SealError::Damaged)?;
        let length = opened.len();
        text.truncate(length);
        Ok(text.into())
    }

    /// Whether a value was sealed with the newest key. Others should be sealed anew before their key is removed.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.first().is_some_and(|newest| sealed.starts_with(&head(newest)))
    }

    fn key_of(&self, head: &[u8]) -> Result<&Key, SealError> {
        match head {
            [FORMAT, id @ ..] => self.0.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey),
            _ => Err(SealError::Malformed),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.0.len()).finish()
    }
}

fn head(key: &Key) -> [u8; HEAD] {
    let mut head = [FORMAT; HEAD];
    head[1..].copy_from_slice(&key.id);
    head
}

#[cfg(test)]
mod tests;
