//! What the use cases of the gateway can fail with, and how each failure is told to the caller.

use imagioo_rpc::{Code, RpcError};
use imagioo_runtime::database::is_away;
use imagioo_storage::StorageError;

use crate::hot::HotError;

/// Why a use case failed. Refusals are [`RpcError`]s already; everything else is a fault of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Refused(#[from] RpcError),
    #[error("database")]
    Database(#[from] sqlx::Error),
    #[error("shared statement")]
    Hot(#[from] HotError),
    #[error("object storage")]
    Storage(#[from] StorageError),
}

impl Error {
    /// Whether a generation that was to be created may be there all the same: its insertion is the one shared statement on
    /// the way, and whatever fails before it leaves nothing but a hold that is given back.
    pub(crate) const fn may_be_done(&self) -> bool {
        matches!(self, Self::Hot(_))
    }
}

impl From<Error> for RpcError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal,
            Error::Storage(_) | Error::Hot(HotError::Batch(_)) => unavailable(error),
            Error::Database(ref cause) if is_away(cause) => unavailable(error),
            Error::Hot(HotError::Database(ref cause)) if is_away(cause) => unavailable(error),
            Error::Database(_) | Error::Hot(_) => Self::internal(error),
        }
    }
}

/// Trying again is safe: whatever the call did, its repetition finds it.
fn unavailable(error: Error) -> RpcError {
    RpcError::new(Code::Unavailable, "a part of imagioo does not answer; try again").caused_by(error)
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        RpcError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use imagioo_batch::BatchError;

    use super::*;

    #[test]
    fn a_database_that_does_not_answer_is_worth_another_try_and_one_that_refuses_is_our_fault() {
        let hot = |error: sqlx::Error| Error::Hot(HotError::Database(error.into()));
        for (error, code) in [
            (Error::Database(sqlx::Error::PoolTimedOut), Code::Unavailable),
            (hot(sqlx::Error::PoolTimedOut), Code::Unavailable),
            (Error::Hot(BatchError.into()), Code::Unavailable),
            (Error::Database(sqlx::Error::RowNotFound), Code::Internal),
            (hot(sqlx::Error::RowNotFound), Code::Internal),
        ] {
            let told = error.to_string();
            assert_eq!(RpcError::from(error).code(), code, "{told}");
        }
    }
}
