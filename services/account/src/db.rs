//! SQL, one file per table. Functions run one statement each and never begin or commit a transaction.

pub(crate) mod api_keys;
pub(crate) mod outbox;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod sign_in_attempts;
pub(crate) mod users;

use std::time::Duration;

/// Seconds as PostgreSQL computes with them; a negative count of what is over becomes zero.
fn seconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count).unwrap_or_default()
}
