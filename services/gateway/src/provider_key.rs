//! A key of a user for a model provider: what may be known of it, and how it is sealed.

use imagioo_seal::{Binding, SealError, Sealer};
use imagioo_types::{InvalidName, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use uuid::Uuid;

const COLLECTION: &str = "providerKeys/";
const PURPOSE: &str = "provider key";

/// Characters that are shown of a key, and the fewest that a key must have to show any.
const SHOWN: usize = 4;
const SHOWS: usize = 16;

/// Names one key for ever: the next one for the same provider has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) Uuid);

/// Everything about a key but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderKey {
    pub(crate) id: KeyId,
    pub(crate) provider: String,
    /// Its last characters.
    pub(crate) hint: String,
    pub(crate) rejected: Option<(RejectReason, OffsetDateTime)>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

impl ProviderKey {
    pub(crate) fn name(&self) -> String {
        format!("{COLLECTION}{}", self.provider)
    }
}

/// The provider in a resource name.
pub(crate) fn provider_of(name: &str) -> Result<&str, InvalidName> {
    name.strip_prefix(COLLECTION)
        .filter(|provider| !provider.is_empty())
        .ok_or(InvalidName { expected: "providerKeys/PROVIDER" })
}

/// Why a provider did not take a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RejectReason {
    Refused,
    /// Its account there is out of credit.
    Exhausted,
}

impl RejectReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
        }
    }
}

/// A reason that the database's check constraint would not have let in.
#[derive(Debug, thiserror::Error)]
#[error("unknown reason of a rejection `{0}`")]
pub(crate) struct UnknownReason(String);

impl TryFrom<String> for RejectReason {
    type Error = UnknownReason;

    fn try_from(text: String) -> Result<Self, UnknownReason> {
        let all = [Self::Refused, Self::Exhausted];
        all.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason(text))
    }
}

/// What may be shown of a key.
pub(crate) fn hint(key: &SecretString) -> String {
    let key = key.expose_secret();
    let from = key.len().checked_sub(SHOWN).filter(|_| key.len() >= SHOWS);
    from.and_then(|from| key.get(from..)).unwrap_or_default().to_owned()
}

/// The key as it is stored. It opens for this user and provider only.
pub(crate) fn seal(
    sealer: &Sealer,
    (owner, provider): (UserId, &str),
    key: &SecretString,
) -> Result<Vec<u8>, SealError> {
    let subject = subject(owner, provider);
    sealer.seal(Binding { purpose: PURPOSE, subject: &subject }, key.expose_secret().as_bytes())
}

/// The key in clear.
pub(crate) fn open(
    sealer: &Sealer,
    (owner, provider): (UserId, &str),
    sealed: &[u8],
) -> Result<SecretString, SealError> {
    let subject = subject(owner, provider);
    let opened = sealer.open(Binding { purpose: PURPOSE, subject: &subject }, sealed)?;
    let text = std::str::from_utf8(opened.expose_secret()).map_err(|_| SealError::Damaged)?;
    Ok(text.into())
}

/// The owner's sixteen bytes, then the provider: the same for no two.
fn subject(owner: UserId, provider: &str) -> Vec<u8> {
    [owner.uuid().as_bytes().as_slice(), provider.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use imagioo_seal::SealConfig;

    use super::*;

    #[test]
    fn a_sealed_key_opens_for_its_owner_and_provider_only() {
        let sealer =
            Sealer::new(&SealConfig { key: imagioo_seal::new_key().expect("a key") }).expect("a sealer");
        let (ada, bob) = (UserId::generate(), UserId::generate());
        let key = SecretString::from("sk-of-ada-0123456789");
        let sealed = seal(&sealer, (ada, "openai"), &key).expect("sealed");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"sk-of-"), "the key shows");
        let opened = open(&sealer, (ada, "openai"), &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), key.expose_secret());
        for (owner, provider) in [(bob, "openai"), (ada, "openai2"), (ada, "fal")] {
            assert_eq!(open(&sealer, (owner, provider), &sealed).err(), Some(SealError::Damaged));
        }
    }

    #[test]
    fn four_characters_of_a_long_key_are_shown_and_none_of_a_short_one() {
        assert_eq!(hint(&"sk-0123456789abcdef".into()), "cdef");
        assert_eq!(hint(&"0123456789abcde".into()), "");
    }
}
