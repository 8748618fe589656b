//! Access tokens: what the account service signs and every other service verifies (RFC 7519, RFC 8037).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use imagioo_types::{ApiKeyId, Credential, Identity, SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::{Code, KeyError, RpcError};

/// The `iss` of every access token.
pub const ISSUER: &str = "imagioo-account";
/// The `aud` of every access token.
pub const AUDIENCE: &str = "imagioo";

/// What an access token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// [`ISSUER`].
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The user, `usr_…`.
    pub sub: String,
    /// The session, `ses_…`, when the user signed in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<String>,
    /// The API key, `key_…`, when a program calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// When it was issued.
    pub iat: i64,
    /// When it stops working.
    pub exp: i64,
}

impl AccessClaims {
    /// The claims of this identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let (sid, key) = match identity.credential {
            Credential::Session(id) => (Some(id.to_string()), None),
            Credential::ApiKey(id) => (None, Some(id.to_string())),
        };
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: identity.user.to_string(),
            sid,
            key,
            iat: identity.issued_at.unix_timestamp(),
            exp: identity.expires_at.unix_timestamp(),
        }
    }

    /// The identity these claims describe.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] for claims that [`Self::of`] does not write.
    pub fn identity(&self) -> Result<Identity, RpcError> {
        let refused = || RpcError::new(Code::Unauthenticated, "the access token is not one of ours");
        let user = self.sub.parse::<UserId>().map_err(|_| refused())?;
        let session = self.sid.as_deref().map(str::parse::<SessionId>).transpose().map_err(|_| refused())?;
        let api_key = self.key.as_deref().map(str::parse::<ApiKeyId>).transpose().map_err(|_| refused())?;
        let credential = match (session, api_key) {
            (Some(id), None) => Credential::Session(id),
            (None, Some(id)) => Credential::ApiKey(id),
            _ => return Err(refused()),
        };
        let instant = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| refused());
        Ok(Identity { user, credential, issued_at: instant(self.iat)?, expires_at: instant(self.exp)? })
    }
}

/// Signs access tokens. Only the account service has one.
pub struct AccessSigner {
    key: EncodingKey,
    key_id: String,
    public: String,
}

impl AccessSigner {
    /// A signer with this Ed25519 private key (PKCS #8), such as [`crate::keys::new_pkcs8`] makes.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the bytes are no such key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Generate)?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let digest = Sha256::digest(public.as_bytes());
        let key_id = URL_SAFE_NO_PAD.encode(&digest[..12]);
        Ok(Self { key: EncodingKey::from_ed_der(pkcs8), key_id, public })
    }

    /// The signed token.
    ///
    /// # Errors
    /// [`Code::Internal`] when signing fails.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, RpcError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(RpcError::internal)
    }

    /// The public half as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> String {
        serde_json::json!({
            "keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": self.key_id,
                "x": self.public,
            }]
        })
        .to_string()
    }
}
