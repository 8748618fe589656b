//! Work that begins because time passed: old holds are resolved, expired credits are booked.

mod expiry;
mod holds;

use std::time::Duration;

use imagioo_runtime::Shutdown;

pub use expiry::ExpirySweeper;
pub use holds::HoldSweeper;

/// Rows that one round takes from the database at a time.
const PAGE: i64 = 500;
/// Calls and operations under way at a time.
const CONCURRENCY: usize = 64;

/// Waits until the next round; false when a shutdown was asked for meanwhile.
async fn another_round(every: Duration, shutdown: &Shutdown) -> bool {
    tokio::select! {
        () = shutdown.requested() => false,
        () = tokio::time::sleep(every) => true,
    }
}
