//! Refresh tokens: `imr_<session>_<family>_<secret>`.
//!
//! The family is 128 random bits that stay for the life of a session, the secret 256 random bits that change with every
//! refresh. Both are stored hashed. Whoever shows the right family with an old secret holds a token that was already
//! spent, so that one row per session detects the reuse of any of its tokens; a session's id alone proves nothing.

use imagioo_types::SessionId;
use secrecy::SecretString;
use uuid::Uuid;

use super::{NoRandomness, SecretHash, hash_of, is_hex, random_hex};

const MARK: &str = "imr";
const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A refresh token, made or presented. Holds the text of its family and the hash of its secret.
pub(crate) struct RefreshToken {
    /// The session it belongs to, or claims to.
    pub(crate) session: SessionId,
    family: SecretString,
    family_hash: SecretHash,
    secret_hash: SecretHash,
}

impl RefreshToken {
    /// The first token of a session, and its text.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn first(session: SessionId) -> Result<(Self, SecretString), NoRandomness> {
        Self::write(session, &random_hex::<FAMILY_BYTES>()?)
    }

    /// The token that replaces this one, and its text.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn next(&self) -> Result<(Self, SecretString), NoRandomness> {
        use secrecy::ExposeSecret as _;
        Self::write(self.session, self.family.expose_secret())
    }

    /// Reads a presented token; nothing for text that was never one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let (MARK, session, family, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?)
        else {
            return None;
        };
        let well_formed = parts.next().is_none()
            && is_hex(session, 32)
            && is_hex(family, FAMILY_BYTES * 2)
            && is_hex(secret, SECRET_BYTES * 2);
        let session = well_formed.then(|| Uuid::try_parse(session).ok()).flatten()?;
        Some(Self::of(SessionId::from_uuid(session), family, secret))
    }

    /// SHA-256 of the part that all tokens of the session share.
    pub(crate) fn family_hash(&self) -> &SecretHash {
        &self.family_hash
    }

    /// SHA-256 of the part that only this token has.
    pub(crate) fn secret_hash(&self) -> &SecretHash {
        &self.secret_hash
    }

    fn write(session: SessionId, family: &str) -> Result<(Self, SecretString), NoRandomness> {
        let secret = random_hex::<SECRET_BYTES>()?;
        let text = format!("{MARK}_{}_{family}_{secret}", session.uuid().simple());
        Ok((Self::of(session, family, &secret), text.into()))
    }

    fn of(session: SessionId, family: &str, secret: &str) -> Self {
        Self { session, family: family.into(), family_hash: hash_of(family), secret_hash: hash_of(secret) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_reads_back_and_its_successor_is_of_the_same_family() {
        let (first, text) = RefreshToken::first(SessionId::generate()).expect("random");
        let read = RefreshToken::parse(text.expose_secret()).expect("a token");
        assert_eq!(read.session, first.session);
        assert_eq!(read.secret_hash(), first.secret_hash());
        let (next, next_text) = read.next().expect("random");
        assert_eq!(next.family_hash(), first.family_hash());
        assert_ne!(next.secret_hash(), first.secret_hash());
        assert!(next_text.expose_secret().len() <= 200, "fits the field of the request");
    }

    #[test]
    fn s59_tokens_do_not_repeat() {
        let session = SessionId::generate();
        let hashes: std::collections::HashSet<_> =
            (0..10_000).map(|_| *RefreshToken::first(session).expect("random").0.secret_hash()).collect();
        assert_eq!(hashes.len(), 10_000);
    }

    proptest! {
        #[test]
        fn s86_arbitrary_text_is_refused_without_a_panic(text in "\\PC{0,200}") {
            prop_assert!(RefreshToken::parse(&text).is_none());
        }

        #[test]
        fn s86_a_damaged_token_is_refused_or_reads_as_another(at in 0_usize..134, with in any::<char>()) {
            let (token, text) = RefreshToken::first(SessionId::generate()).expect("random");
            let mut chars: Vec<char> = text.expose_secret().chars().collect();
            prop_assume!(chars[at] != with);
            chars[at] = with;
            if let Some(read) = RefreshToken::parse(&chars.iter().collect::<String>()) {
                let same = read.session == token.session
                    && read.family_hash() == token.family_hash()
                    && read.secret_hash() == token.secret_hash();
                prop_assert!(!same);
            }
        }
    }
}
