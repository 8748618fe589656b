//! Verification of access tokens: signature, time and deny list, without a call per request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imagioo_proto::account::v1::GetJwksRequest;
use imagioo_proto::account::v1::identity_service_client::IdentityServiceClient;
use imagioo_runtime::Shutdown;
use imagioo_types::{Clock, Identity};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::access::{AUDIENCE, AccessClaims, ISSUER};
use crate::{Channel, Code, Revocations, RpcError};

mod watch;

/// How long the deny list may be silent before calls that change something are refused.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// The signing keys are asked for at most this often, whatever key ids arrive.
const KEY_REFRESH: Duration = Duration::from_secs(5);
/// How far two machines' clocks may differ.
const SKEW: time::Duration = time::Duration::seconds(30);
const CACHED_TOKENS: u64 = 100_000;

/// What a call does, as far as a stale deny list matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads only.
    Read,
    /// Spends or changes something.
    Change,
}

impl Effect {
    /// The effect of the method with this path: the standard reading verbs read (AIP-130), all others change.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        const READING: [&str; 6] = ["Get", "List", "Watch", "Estimate", "Download", "Check"];
        let method = path.rsplit('/').next().unwrap_or_default();
        if READING.iter().any(|verb| method.starts_with(verb)) { Self::Read } else { Self::Change }
    }
}

/// Verifies access tokens against the account service's keys and deny list. Clones share both.
#[derive(Clone)]
pub struct AccessVerifier(Arc<Inner>);

struct Inner {
    keys: RwLock<HashMap<String, DecodingKey>>,
    remote: Option<IdentityServiceClient<Channel>>,
    refreshed: Mutex<Option<Instant>>,
    verified: moka::sync::Cache<[u8; 32], Identity>,
    revocations: Revocations,
    clock: Arc<dyn Clock>,
}

impl AccessVerifier {
    /// A verifier that asks the account service for keys and follows its deny list until shutdown.
    #[must_use]
    pub fn remote(account: Channel, clock: Arc<dyn Clock>, shutdown: &Shutdown) -> Self {
        let client = IdentityServiceClient::new(account);
        let verifier = Self::new(HashMap::new(), Some(client.clone()), Revocations::default(), clock);
        let revocations = verifier.0.revocations.clone();
        shutdown.spawn("watch revocations", watch::follow(client, revocations, shutdown.clone()));
        verifier
    }

    /// A verifier for the account service itself.
    ///
    /// # Errors
    /// [`Code::Internal`] when the key set is not one.
    pub fn local(jwks: &str, revocations: Revocations, clock: Arc<dyn Clock>) -> Result<Self, RpcError> {
        Ok(Self::new(parse(jwks)?, None, revocations, clock))
    }

    fn new(
        keys: HashMap<String, DecodingKey>,
        remote: Option<IdentityServiceClient<Channel>>,
        revocations: Revocations,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let verified = moka::sync::Cache::new(CACHED_TOKENS);
        let refreshed = Mutex::new(None);
        Self(Arc::new(Inner { keys: RwLock::new(keys), remote, refreshed, verified, revocations, clock }))
    }

    /// The identity behind a token.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], [`Code::TokenExpired`], [`Code::TokenRevoked`]; [`Code::Unavailable`] when the call
    /// changes something and the deny list has been silent for ten seconds, or no signing key can be had.
    pub async fn verify(&self, token: &str, effect: Effect) -> Result<Identity, RpcError> {
        if effect == Effect::Change && !self.0.revocations.fresh_within(SILENCE_LIMIT) {
            return Err(RpcError::new(
                Code::Unavailable,
                "cannot tell whether this sign-in still counts; try again",
            )
            .retry_after(Duration::from_secs(1)));
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let identity = match self.0.verified.get(&digest) {
            Some(identity) => identity,
            None => {
                let identity = self.check_signature(token).await?;
                self.0.verified.insert(digest, identity.clone());
                identity
            }
        };
        self.still_valid(&identity)?;
        Ok(identity)
    }

    /// Checks time and deny list again, for calls that last.
    ///
    /// # Errors
    /// [`Code::TokenExpired`], [`Code::TokenRevoked`].
    pub fn still_valid(&self, identity: &Identity) -> Result<(), RpcError> {
        if self.0.clock.now() > identity.expires_at + SKEW {
            return Err(RpcError::new(
                Code::TokenExpired,
                "the access token is past its time: refresh the session",
            ));
        }
        self.not_revoked(identity)
    }

    /// Checks the deny list alone: a stream that began with a valid token may outlive it, but not a revocation.
    ///
    /// # Errors
    /// [`Code::TokenRevoked`].
    pub fn not_revoked(&self, identity: &Identity) -> Result<(), RpcError> {
        if self.0.revocations.contains(identity) {
            return Err(RpcError::new(Code::TokenRevoked, "this sign-in was ended: sign in again"));
        }
        Ok(())
    }

    /// Waits until the deny list was heard for the first time, before which no call that changes something is let in.
    pub async fn ready(&self) {
        self.0.revocations.heard().await;
    }

    async fn check_signature(&self, token: &str) -> Result<Identity, RpcError> {
        let refused = || RpcError::new(Code::Unauthenticated, "the access token is not one of ours");
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused())?;
        let key_id = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or_else(refused)?;
        let key = match self.key(&key_id) {
            Some(key) => key,
            None => {
                self.refresh_keys().await?;
                self.key(&key_id).ok_or_else(refused)?
            }
        };
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &key, &rules).map_err(|_| refused())?.claims;
        claims.identity()
    }

    fn key(&self, key_id: &str) -> Option<DecodingKey> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(key_id).cloned()
    }

    async fn refresh_keys(&self) -> Result<(), RpcError> {
        let Some(remote) = &self.0.remote else { return Ok(()) };
        let mut refreshed = self.0.refreshed.lock().await;
        if refreshed.is_some_and(|at| at.elapsed() < KEY_REFRESH) {
            return Ok(());
        }
        let answer = remote.clone().get_jwks(GetJwksRequest {}).await.map_err(|status| {
            RpcError::new(Code::Unavailable, "the account service does not answer; try again")
                .caused_by(status)
        })?;
        let keys = parse(&answer.into_inner().jwks)?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        *refreshed = Some(Instant::now());
        Ok(())
    }
}

fn parse(jwks: &str) -> Result<HashMap<String, DecodingKey>, RpcError> {
    let set: JwkSet = serde_json::from_str(jwks).map_err(RpcError::internal)?;
    set.keys
        .iter()
        .filter_map(|jwk| jwk.common.key_id.clone().map(|id| (id, jwk)))
        .map(|(id, jwk)| DecodingKey::from_jwk(jwk).map(|key| (id, key)).map_err(RpcError::internal))
        .collect()
}

#[cfg(test)]
mod tests;
