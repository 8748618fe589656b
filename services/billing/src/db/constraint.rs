//! The one place that knows which constraint of the schema says what to a caller.

use crate::ledger::Refusal;

/// The refusal that a violated constraint stands for. `None` is a fault of ours.
pub(crate) fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    match error.as_database_error()?.constraint()? {
        // The posting that makes a hold bears the hold's id; all other postings have new ids.
        "holds_pkey" | "entries_pkey" => Some(Refusal::GenerationTaken),
        "buckets_natural_key_key" => Some(Refusal::GrantKeyTaken),
        _ => None,
    }
}
