//! Why a use case failed.

use std::sync::Arc;

use imagioo_batch::BatchError;

use crate::ledger::Refusal;

/// Why a use case failed. Rows that shared a statement share its error, so it can be cloned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BillingError {
    /// The ledger says no; nothing changed.
    #[error("the ledger refused the operation")]
    Refused(#[from] Refusal),
    /// The database failed. Whether the operation took effect is unknown; repeating it is safe.
    #[error("the ledger's database failed")]
    Database(#[source] Arc<sqlx::Error>),
    /// The batch ended without an answer. Repeating is safe.
    #[error("the ledger gave no answer")]
    NoAnswer(#[from] BatchError),
    /// The ledger answered another operation than the one asked for.
    #[error("the ledger answered another operation")]
    CrossedAnswer,
}

impl From<sqlx::Error> for BillingError {
    fn from(error: sqlx::Error) -> Self {
        crate::db::refusal(&error).map_or_else(|| Self::Database(Arc::new(error)), Self::Refused)
    }
}

impl BillingError {
    /// Whether one row of a statement is at fault, so that the others may succeed without it.
    pub(crate) fn is_about_a_row(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            // Classes 22 and 23: a value or a constraint.
            Self::Database(cause) => cause
                .as_database_error()
                .and_then(|error| error.code())
                .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
            Self::NoAnswer(_) | Self::CrossedAnswer => false,
        }
    }
}
