//! Why a use case failed.

use std::time::Duration;

use imagioo_rpc::RpcError;

use crate::credential::NoRandomness;
use crate::password::{HashError, WeakPassword};

/// Why a use case failed. No variant holds an address, a password or a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// The text is no mail address.
    #[error("this is not an e-mail address")]
    EmailInvalid,
    /// The address has an account.
    #[error("this e-mail address has an account")]
    EmailTaken,
    /// The password breaks a rule.
    #[error("the password is refused")]
    WeakPassword(#[from] WeakPassword),
    /// Address and password do not belong together.
    #[error("address and password do not belong together")]
    WrongCredentials,
    /// Too many attempts on one address.
    #[error("too many attempts")]
    TooManyAttempts {
        /// How long further attempts are refused.
        retry_after: Duration,
    },
    /// The refresh token is unknown, spent or past its time.
    #[error("the session is over")]
    SessionOver,
    /// The API key is unknown, revoked or past its time.
    #[error("the API key does not work")]
    ApiKeyInvalid,
    /// A key cannot expire before it exists.
    #[error("the key would expire in the past")]
    ExpiryPast,
    /// Keys are made by people, not by keys.
    #[error("an API key cannot create another one")]
    SessionNeeded,
    /// No such key, or not the caller's.
    #[error("no such API key")]
    NoSuchApiKey,
    /// No such account.
    #[error("no such account")]
    NoSuchUser,
    /// Hashing failed.
    #[error("password hashing")]
    Hash(#[from] HashError),
    /// No random bytes.
    #[error("making a secret")]
    Random(#[from] NoRandomness),
    /// Signing failed.
    #[error("signing an access token")]
    Sign(#[source] Box<RpcError>),
    /// The database failed.
    #[error("database")]
    Database(#[from] sqlx::Error),
}
