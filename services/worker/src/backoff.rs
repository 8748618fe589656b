//! Waiting between tries: doubling, with jitter, for a bounded time.

use std::time::Duration;

use tokio::time::Instant;

/// The waits of one retried action.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    until: Option<Instant>,
}

/// Longest time a worker waits by itself; anything longer is an outcome that the gateway schedules.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

impl Backoff {
    /// For what must work within seconds: gives up after 5 s.
    pub(crate) fn short() -> Self {
        let until = Some(Instant::now() + PATIENCE);
        Self { next: Duration::from_millis(100), longest: Duration::from_secs(2), until }
    }

    /// For what must work in the end: never gives up.
    pub(crate) fn endless() -> Self {
        Self { next: Duration::from_millis(200), longest: Duration::from_secs(10), until: None }
    }

    /// For what is worth waiting for so long: gives up then.
    pub(crate) fn lasting(patience: Duration) -> Self {
        Self { longest: Duration::from_secs(10), until: Some(Instant::now() + patience), ..Self::short() }
    }

    /// For asking how a task is getting on: never gives up, at most `longest` between two questions.
    pub(crate) fn polling(longest: Duration) -> Self {
        Self { next: Duration::from_millis(250).min(longest), longest, until: None }
    }

    /// Waits half to all of the next pause; false, at once, when the time is up.
    pub(crate) async fn wait(&mut self) -> bool {
        self.wait_at_least(Duration::ZERO).await
    }

    /// The same, but as long as the other side wants to be left alone.
    pub(crate) async fn wait_at_least(&mut self, least: Duration) -> bool {
        let pause = self.next.mul_f64(rand::random_range(0.5..=1.0)).max(least);
        self.next = (self.next * 2).min(self.longest);
        if self.until.is_some_and(|until| Instant::now() + pause > until) {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_would_end_too_late_is_not_begun() {
        let (started, mut backoff) = (Instant::now(), Backoff::lasting(Duration::from_secs(60)));
        assert!(backoff.wait_at_least(Duration::from_secs(50)).await);
        assert!(!backoff.wait_at_least(Duration::from_secs(50)).await);
        assert_eq!(started.elapsed(), Duration::from_secs(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_backoff_ends_within_its_patience() {
        let (started, mut backoff, mut tries) = (Instant::now(), Backoff::short(), 1);
        while backoff.wait().await {
            tries += 1;
        }
        assert!(started.elapsed() <= PATIENCE);
        assert!((4..12).contains(&tries), "{tries}");
    }
}
