//! Slows down guesses at one address, without ever locking its owner out.
//!
//! Every attempt is counted before its password is looked at, so that parallel guesses cannot slip past the count, and
//! forgotten when it succeeds. The count is kept under a keyed hash of whatever was typed as the address: it grows alike
//! for known and unknown addresses, and the table does not tell who has an account.

use std::time::Duration;

use aws_lc_rs::hmac;
use sqlx::PgConnection;

use crate::config::ThrottleConfig;
use crate::db;
use crate::email;
use crate::errors::AccountError;

/// What an address is counted under.
pub(crate) struct AddressHash(hmac::Tag);

impl AddressHash {
    fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// Counts sign-in attempts per address.
pub(crate) struct Throttle {
    key: hmac::Key,
    config: ThrottleConfig,
}

impl Throttle {
    /// A throttle whose table cannot be read without `key`.
    pub(crate) fn new(key: hmac::Key, config: ThrottleConfig) -> Self {
        Self { key, config }
    }

    /// Counts an attempt at an address and says what to call it by when it succeeds.
    ///
    /// # Errors
    /// [`AccountError::TooManyAttempts`] while the address is blocked; such an attempt does not count.
    pub(crate) async fn admit(
        &self,
        connection: &mut PgConnection,
        address: &str,
    ) -> Result<AddressHash, AccountError> {
        let address = AddressHash(hmac::sign(&self.key, email::key_of(address).as_bytes()));
        if db::sign_in_attempts::count(connection, address.as_bytes(), &self.config).await? {
            return Ok(address);
        }
        let blocked = db::sign_in_attempts::blocked_for(connection, address.as_bytes()).await?;
        // The block may have ended between the two statements: the next attempt will be admitted.
        let retry_after = blocked.unwrap_or_default().max(Duration::from_secs(1));
        Err(AccountError::TooManyAttempts { retry_after })
    }

    /// Begins counting anew after a success.
    ///
    /// # Errors
    /// [`AccountError::Database`].
    pub(crate) async fn forget(
        &self,
        connection: &mut PgConnection,
        address: &AddressHash,
    ) -> Result<(), AccountError> {
        Ok(db::sign_in_attempts::delete(connection, address.as_bytes()).await?)
    }
}
