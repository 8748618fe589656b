//! The token by which a service proves its name to another one: signed, addressed, valid for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use imagioo_types::ServiceName;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Code, RpcError, ServiceKeys};

/// The header that carries the token. The edge removes it from every client's request.
pub const SERVICE_HEADER: &str = "imagioo-service";

const LIFETIME: Duration = Duration::seconds(60);
const RENEW_BEFORE: Duration = Duration::seconds(30);
/// How far two machines' clocks may differ.
const SKEW: Duration = Duration::seconds(30);

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: ServiceName,
    aud: ServiceName,
    iat: i64,
    exp: i64,
}

/// A signed token and when it stops working.
type Fresh = (OffsetDateTime, Arc<str>);

/// Tokens of this service, one per audience, signed anew every half minute.
#[derive(Clone)]
pub(crate) struct ServiceSigner {
    keys: ServiceKeys,
    fresh: Arc<Mutex<HashMap<ServiceName, Fresh>>>,
}

impl ServiceSigner {
    pub(crate) fn new(keys: ServiceKeys) -> Self {
        Self { keys, fresh: Arc::default() }
    }

    pub(crate) fn token(&self, audience: ServiceName) -> Result<Arc<str>, RpcError> {
        let now = self.keys.clock.now();
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((expires, token)) = fresh.get(&audience)
            && now < *expires - RENEW_BEFORE
            && now >= *expires - LIFETIME
        {
            return Ok(Arc::clone(token));
        }
        let expires = now + LIFETIME;
        let claims = Claims {
            iss: self.keys.me,
            aud: audience,
            iat: now.unix_timestamp(),
            exp: expires.unix_timestamp(),
        };
        let token: Arc<str> = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.keys.own)
            .map_err(RpcError::internal)?
            .into();
        fresh.insert(audience, (expires, Arc::clone(&token)));
        Ok(token)
    }
}

/// The service that signed a token addressed to us.
pub(crate) fn verify(keys: &ServiceKeys, token: &str) -> Result<(ServiceName, OffsetDateTime), RpcError> {
    let refused = || RpcError::new(Code::Unauthenticated, "the service token proves nothing here");
    let issuer = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token).map_err(|_| refused())?.iss;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[keys.me]);
    rules.validate_exp = false;
    let claims = keys
        .peers
        .get(&issuer)
        .into_iter()
        .flatten()
        .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &rules).ok())
        .ok_or_else(refused)?
        .claims;
    let expires = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| refused())?;
    let now = keys.clock.now();
    let issued_ahead = claims.iat > (now + SKEW).unix_timestamp();
    let too_long = claims.exp - claims.iat > LIFETIME.whole_seconds();
    if now > expires + SKEW || issued_ahead || too_long {
        return Err(refused());
    }
    Ok((claims.iss, expires))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use imagioo_types::ManualClock;

    use super::*;
    use crate::keys;

    fn keys_of(folder: &Path, name: ServiceName, clock: &ManualClock) -> ServiceKeys {
        ServiceKeys::load(&keys::config_in(folder, name), name, Arc::new(clock.clone())).expect("keys")
    }

    #[test]
    fn a_token_names_its_service_to_its_audience_only_and_only_for_a_while() {
        let folder = tempfile::tempdir().expect("folder");
        keys::generate(folder.path()).expect("keys");
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));
        let signer = ServiceSigner::new(keys_of(folder.path(), ServiceName::Gateway, &clock));
        let billing = keys_of(folder.path(), ServiceName::Billing, &clock);
        let account = keys_of(folder.path(), ServiceName::Account, &clock);

        let token = signer.token(ServiceName::Billing).expect("token");
        assert_eq!(verify(&billing, &token).expect("valid").0, ServiceName::Gateway);
        assert!(verify(&account, &token).is_err());
        assert_eq!(signer.token(ServiceName::Billing).expect("token"), token);

        clock.advance(Duration::minutes(2));
        assert!(verify(&billing, &token).is_err());
        assert_ne!(signer.token(ServiceName::Billing).expect("token"), token);
    }

    #[test]
    fn a_service_cannot_sign_as_another_one() {
        let (ours, theirs) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        keys::generate(ours.path()).expect("keys");
        keys::generate(theirs.path()).expect("keys");
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));
        let foreign = ServiceSigner::new(keys_of(theirs.path(), ServiceName::Gateway, &clock));
        let token = foreign.token(ServiceName::Billing).expect("token");
        assert!(verify(&keys_of(ours.path(), ServiceName::Billing, &clock), &token).is_err());
    }
}
