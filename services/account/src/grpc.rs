//! The gRPC face: decode, call one function, encode.

mod account_service;
mod admin_service;
mod identity_service;

pub(crate) use account_service::AccountGrpc;
pub(crate) use admin_service::AdminGrpc;
pub(crate) use identity_service::IdentityGrpc;

use std::time::Duration;

use imagioo_rpc::{Code, RpcError};
use imagioo_runtime::database::is_away;
use prost_types::Timestamp;
use time::OffsetDateTime;
use tonic::Status;

use crate::errors::AccountError;
use crate::password::HashError;

const SOON: Duration = Duration::from_secs(1);

impl From<AccountError> for RpcError {
    fn from(error: AccountError) -> Self {
        use AccountError as E;
        match error {
            E::EmailInvalid => Self::new(Code::InvalidArgument, "this is not an e-mail address")
                .field("email", "write it as name@example.com"),
            E::EmailTaken => {
                Self::new(Code::EmailTaken, "this e-mail address has an account: sign in instead")
            }
            E::WeakPassword(weak) => {
                let why = weak.to_string();
                Self::new(Code::PasswordTooWeak, why.clone()).field("password", why)
            }
            E::WrongCredentials => {
                Self::new(Code::WrongCredentials, "e-mail address and password do not belong together")
            }
            E::TooManyAttempts { retry_after } => {
                Self::new(Code::RateLimited, "too many attempts with this address: wait, then try again")
                    .retry_after(retry_after)
            }
            E::SessionOver => Self::new(Code::Unauthenticated, "this session is over: sign in again"),
            E::ApiKeyInvalid => {
                Self::new(Code::ApiKeyInvalid, "this API key does not work: check it, or create a new one")
            }
            E::ExpiryPast => Self::new(Code::InvalidArgument, "the key would be over before it exists")
                .field("expire_time", "choose a time in the future, or leave it out"),
            E::SessionNeeded => {
                Self::new(Code::PermissionDenied, "an API key cannot create another one: sign in instead")
            }
            E::NoSuchApiKey => Self::not_found("API key"),
            E::NoSuchUser => Self::not_found("account"),
            E::Sign(error) => *error,
            error if is_passing(&error) => {
                Self::new(Code::Unavailable, "the account service is busy: try again")
                    .retry_after(SOON)
                    .caused_by(error)
            }
            error => Self::internal(error),
        }
    }
}

/// Whether trying again is likely to help.
fn is_passing(error: &AccountError) -> bool {
    match error {
        AccountError::Hash(HashError::Busy) => true,
        AccountError::Database(error) => is_away(error),
        _ => false,
    }
}

fn refuse(error: AccountError) -> Status {
    RpcError::from(error).into()
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: at.unix_timestamp(), nanos: i32::try_from(at.nanosecond()).unwrap_or(0) }
}

/// An instant of a request; nothing for one that no calendar has.
fn instant(time: Timestamp) -> Option<OffsetDateTime> {
    let whole = OffsetDateTime::from_unix_timestamp(time.seconds).ok()?;
    let nanos = u32::try_from(time.nanos).ok()?;
    whole.replace_nanosecond(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_wire_and_nonsense_is_refused() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_764_000_000_123_456_789).expect("an instant");
        assert_eq!(instant(timestamp(at)), Some(at));
        assert_eq!(instant(Timestamp { seconds: i64::MAX, nanos: 0 }), None);
        assert_eq!(instant(Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(instant(Timestamp { seconds: 0, nanos: i32::MAX }), None);
    }

    #[test]
    fn a_database_that_does_not_answer_is_worth_another_try() {
        let error = RpcError::from(AccountError::Database(sqlx::Error::PoolTimedOut));
        assert_eq!(error.code(), Code::Unavailable);
        let error = RpcError::from(AccountError::Database(sqlx::Error::RowNotFound));
        assert_eq!(error.code(), Code::Internal);
    }
}
