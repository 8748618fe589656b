//! API keys: `img_live_<id>_<secret>_<checksum>`.
//!
//! The id finds the row, the 160-bit secret proves possession, and the checksum (the first 32 bits of the SHA-256 of
//! everything before it) lets secret scanners and the parser tell a key from text that looks like one.

use imagioo_types::ApiKeyId;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{NoRandomness, SecretHash, hash_of, hex, is_hex, random_hex};

const MARK: &str = "img_live_";
const SECRET_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 4;

/// A well-formed API key, made or presented.
pub(crate) struct ApiKeySecret {
    /// The key it is, or claims to be.
    pub(crate) id: ApiKeyId,
    text: SecretString,
}

impl ApiKeySecret {
    /// A new secret for the key `id`.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn generate(id: ApiKeyId) -> Result<Self, NoRandomness> {
        let body = format!("{}_{}", visible_prefix(id), random_hex::<SECRET_BYTES>()?);
        let text = format!("{body}_{}", checksum(&body));
        Ok(Self { id, text: text.into() })
    }

    /// Reads a presented key; nothing for text that was never one, typing errors included.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once('_')?;
        let (id, secret) = body.strip_prefix(MARK)?.split_once('_')?;
        let well_formed = is_hex(id, 32) && is_hex(secret, SECRET_BYTES * 2) && sum == checksum(body);
        let id = well_formed.then(|| Uuid::try_parse(id).ok()).flatten()?;
        Some(Self { id: ApiKeyId::from_uuid(id), text: text.into() })
    }

    /// The whole key, for the one answer that shows it.
    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// What is stored: SHA-256 of the whole key.
    pub(crate) fn hash(&self) -> SecretHash {
        hash_of(self.text())
    }

    /// Whether this key is the one with the stored hash; takes the same time wherever they differ.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.hash(), stored).is_ok()
    }
}

/// The part of a key that may be shown: everything before the secret.
pub(crate) fn visible_prefix(id: ApiKeyId) -> String {
    format!("{MARK}{}", id.uuid().simple())
}

fn checksum(body: &str) -> String {
    hex(&hash_of(body)[..CHECKSUM_BYTES])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s67_a_key_reads_back_and_matches_only_its_own_hash() {
        let key = ApiKeySecret::generate(ApiKeyId::generate()).expect("random");
        let read = ApiKeySecret::parse(key.text()).expect("a key");
        assert_eq!(read.id, key.id);
        assert!(read.matches(&key.hash()));
        let other = ApiKeySecret::generate(key.id).expect("random");
        assert!(!read.matches(&other.hash()));
        assert!(!read.matches(&[]));
        assert!(key.text().len() <= 200, "fits the field of the request");
        assert!(key.text().starts_with(&visible_prefix(key.id)));
    }

    #[test]
    fn the_format_is_stable() {
        let body = "img_live_0198d0c0a0007000800000000000abcd_00112233445566778899aabbccddeeff00112233";
        assert!(ApiKeySecret::parse(&format!("{body}_{}", checksum(body))).is_some());
        assert!(ApiKeySecret::parse(&format!("{body}_00000000")).is_none());
        assert!(ApiKeySecret::parse(body).is_none());
    }

    proptest! {
        #[test]
        fn s86_arbitrary_text_is_refused_without_a_panic(text in "(img_live_)?\\PC{0,120}") {
            prop_assert!(ApiKeySecret::parse(&text).is_none());
        }

        #[test]
        fn s86_a_single_wrong_character_is_noticed(at in 0_usize..91, with in any::<char>()) {
            let key = ApiKeySecret::generate(ApiKeyId::generate()).expect("random");
            let mut chars: Vec<char> = key.text().chars().collect();
            prop_assume!(chars[at] != with);
            chars[at] = with;
            prop_assert!(ApiKeySecret::parse(&chars.iter().collect::<String>()).is_none());
        }
    }
}
