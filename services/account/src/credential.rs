//! Secrets that clients keep: random text, stored only as its SHA-256.
//!
//! A fast hash is right here: the secrets have full entropy (ASVS 5.0, 6.5.2).

mod api_key;
mod refresh_token;

pub(crate) use api_key::{ApiKeySecret, visible_prefix};
pub(crate) use refresh_token::RefreshToken;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a secret.
pub(crate) type SecretHash = [u8; 32];

/// The system could not give random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness")]
pub(crate) struct NoRandomness;

fn hash_of(text: &str) -> SecretHash {
    Sha256::digest(text.as_bytes()).into()
}

/// `BYTES` random bytes in lower-case hexadecimal digits.
fn random_hex<const BYTES: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
