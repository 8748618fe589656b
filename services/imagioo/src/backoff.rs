//! How long to wait before a call is repeated, and when to stop.

use std::time::Duration;

use crate::failure::Failure;

/// Pauses that double, up to a longest one, a limited number of times in a row.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    limit: u32,
    used: u32,
}

impl Backoff {
    /// At most `limit` pauses, the first one this long.
    pub(crate) fn new(first: Duration, longest: Duration, limit: u32) -> Self {
        Self { first, longest, limit, used: 0 }
    }

    /// For one call that a person waits for.
    pub(crate) fn for_call() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(2), 4)
    }

    /// For something long that went well so far: patient enough for a server that restarts.
    pub(crate) fn for_stream() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(8), 11)
    }

    /// Forgets the pauses so far, because something went well.
    pub(crate) fn reset(&mut self) {
        self.used = 0;
    }

    /// Waits for the next pause; false when it is time to give up.
    pub(crate) async fn pause(&mut self) -> bool {
        let Some(pause) = self.next() else { return false };
        tokio::time::sleep(pause).await;
        true
    }
}

/// Repeats a call that may be repeated safely until it is answered, or patience ends.
///
/// # Errors
/// The first [`Failure`] that repeating does not help, or the last one.
pub(crate) async fn patiently<A>(call: impl AsyncFn() -> Result<A, Failure>) -> Result<A, Failure> {
    let mut backoff = Backoff::for_call();
    loop {
        match call().await {
            Err(failure) if failure.is_transient() && backoff.pause().await => {}
            outcome => return outcome,
        }
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    /// The next pause; nothing when it is time to give up.
    fn next(&mut self) -> Option<Duration> {
        if self.used == self.limit {
            return None;
        }
        let factor = 2_u32.saturating_pow(self.used);
        self.used += 1;
        Some(self.first.saturating_mul(factor).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3), 4);
        let pauses: Vec<_> = backoff.by_ref().map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 3, 3]);
        backoff.reset();
        assert_eq!(backoff.next(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn following_outlasts_a_restart_of_the_server() {
        let patience: Duration = Backoff::for_stream().sum();
        assert!(patience > Duration::from_secs(45) && patience < Duration::from_secs(90), "{patience:?}");
    }
}
