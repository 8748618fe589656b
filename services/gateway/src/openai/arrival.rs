//! When a call arrived, before anything of it was read.

use std::time::Duration;

use tokio::time::Instant;

/// The moment from which a call is waited for: its client's clock runs since then, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival(Instant);

impl Arrival {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// When a wait of so many seconds is over.
    pub(super) fn after(self, seconds: u32) -> Instant {
        self.0 + Duration::from_secs(seconds.into())
    }
}
