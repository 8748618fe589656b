//! Access tokens: who signs them, with which keys, for how long.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use imagioo_rpc::access::{AccessClaims, AccessSigner};
use imagioo_rpc::{KeyError, keys};
use imagioo_types::{Clock, Credential, Identity, UserId};
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::config::TokenConfig;
use crate::errors::AccountError;

/// What a revocation outlives the tokens by: more than verifiers forgive between two machines' clocks.
const TOLERANCE: Duration = Duration::from_secs(120);

/// Why the signing keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningKeyError {
    /// A file is missing or damaged.
    #[error("signing key")]
    Key(#[from] KeyError),
    /// The folder of the key cannot be created.
    #[error("the folder of the signing key cannot be created")]
    Folder(#[source] std::io::Error),
    /// The key set is not JSON.
    #[error("key set")]
    Set(#[from] serde_json::Error),
}

/// The private keys of access tokens: one that signs, and others that are still or already accepted.
pub(crate) struct SigningKeys {
    signer: AccessSigner,
    jwks: String,
    pkcs8: Vec<u8>,
}

impl SigningKeys {
    /// Reads the configured files, creating the first one if that is configured. Blocks on the file system.
    ///
    /// # Errors
    /// [`SigningKeyError`] names the file.
    pub(crate) fn load(config: &TokenConfig) -> Result<Self, SigningKeyError> {
        if config.create_missing {
            create_missing(&config.signing_key_file)?;
        }
        let pkcs8 = keys::read_pkcs8(&config.signing_key_file)?;
        let signer = AccessSigner::from_pkcs8(&pkcs8)?;
        let mut sets = vec![signer.jwks()];
        for path in &config.accepted_key_files {
            sets.push(AccessSigner::from_pkcs8(&keys::read_pkcs8(path)?)?.jwks());
        }
        Ok(Self { signer, jwks: merged(&sets)?, pkcs8 })
    }

    /// The public halves as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A secret of its own, the same in every replica, for hashes that only this service should be able to compute.
    pub(crate) fn derived(&self, purpose: &str) -> hmac::Key {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &self.pkcs8);
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose.as_bytes()).as_ref())
    }
}

fn create_missing(path: &Path) -> Result<(), SigningKeyError> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(SigningKeyError::Folder)?;
    }
    match keys::write_private(path, &keys::new_pkcs8()?) {
        // Somebody else was faster: theirs is as good.
        Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        written => Ok(written?),
    }
}

fn merged(sets: &[String]) -> Result<String, serde_json::Error> {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct KeySet {
        keys: Vec<serde_json::Value>,
    }
    let mut all = KeySet { keys: Vec::new() };
    for set in sets {
        all.keys.append(&mut serde_json::from_str::<KeySet>(set)?.keys);
    }
    serde_json::to_string(&all)
}

/// A signed token and when it stops working.
pub(crate) struct AccessToken {
    /// For the `authorization: Bearer` header.
    pub(crate) text: SecretString,
    /// When it stops working.
    pub(crate) expires_at: OffsetDateTime,
}

/// Signs access tokens.
pub(crate) struct Issuer {
    keys: SigningKeys,
    life: Duration,
    clock: Arc<dyn Clock>,
}

impl Issuer {
    pub(crate) fn new(keys: SigningKeys, config: &TokenConfig, clock: Arc<dyn Clock>) -> Self {
        Self { keys, life: config.access_life(), clock }
    }

    /// The public halves of the signing keys as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> &str {
        self.keys.jwks()
    }

    /// How long after its signing a token may still be accepted somewhere.
    pub(crate) fn longest_use(&self) -> Duration {
        self.life + TOLERANCE
    }

    /// A token for a credential that itself lasts `remaining`; the token never outlives it.
    ///
    /// # Errors
    /// [`AccountError::Sign`].
    pub(crate) fn issue(
        &self,
        user: UserId,
        credential: Credential,
        remaining: Duration,
    ) -> Result<AccessToken, AccountError> {
        let now = self.clock.now();
        let identity =
            Identity { user, credential, issued_at: now, expires_at: now + self.life.min(remaining) };
        let text = self.keys.signer.sign(&AccessClaims::of(&identity));
        let text = text.map_err(|error| AccountError::Sign(Box::new(error)))?;
        Ok(AccessToken { text: text.into(), expires_at: identity.expires_at })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use imagioo_rpc::{AccessVerifier, Effect, Revocations};
    use imagioo_types::{ApiKeyId, ManualClock};
    use secrecy::ExposeSecret as _;

    use super::*;

    fn config(folder: &Path, create_missing: bool) -> TokenConfig {
        TokenConfig {
            signing_key_file: folder.join("keys/access.key"),
            create_missing,
            accepted_key_files: Vec::new(),
            access_seconds: 300,
        }
    }

    #[test]
    fn a_missing_key_is_created_once_for_its_owner_only_and_only_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(SigningKeys::load(&config(folder.path(), false)).is_err());
        let first = SigningKeys::load(&config(folder.path(), true)).expect("created");
        let again = SigningKeys::load(&config(folder.path(), true)).expect("read");
        assert_eq!(first.jwks(), again.jwks());
        let file = std::fs::metadata(folder.path().join("keys/access.key")).expect("a file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn tokens_of_a_key_that_is_being_replaced_are_still_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000)));
        let old = config(folder.path(), true);
        let issuer = Issuer::new(SigningKeys::load(&old).expect("created"), &old, clock.clone());
        let user = UserId::generate();
        let credential = Credential::ApiKey(ApiKeyId::generate());
        let token = issuer.issue(user, credential, Duration::from_secs(10)).expect("signed");

        let new = TokenConfig {
            signing_key_file: folder.path().join("new.key"),
            accepted_key_files: vec![old.signing_key_file.clone()],
            ..old
        };
        let keys = SigningKeys::load(&new).expect("created");
        let verifier = AccessVerifier::local(keys.jwks(), Revocations::authoritative(), clock);
        let identity = verifier.expect("a key set").verify(token.text.expose_secret(), Effect::Change).await;
        let identity = identity.expect("still accepted");
        assert_eq!((identity.user, identity.credential), (user, credential));
        assert_eq!(identity.expires_at - identity.issued_at, Duration::from_secs(10), "the key's own end");
    }
}
