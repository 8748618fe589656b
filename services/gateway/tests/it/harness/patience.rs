//! Waiting for what must happen, and no longer than a test may hang.

use std::time::Duration;

/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// The outcome of something that must happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Looks again and again until a condition holds that nobody announces.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK);
    let waited = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    within(what, waited).await;
}
