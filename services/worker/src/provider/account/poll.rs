//! Waiting for a task that a provider accepted.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::provider::{CallError, Charged, Fate};
use crate::reason::Reason;

/// Longest time one question may take.
const ONE_QUESTION: Duration = Duration::from_secs(30);

/// Asks, at most every `longest` at last, until there is an answer. What may pass is asked again, for the call was
/// accepted and its result is paid for; the call's own deadline ends that.
///
/// # Errors
/// What is final about the task.
pub(in crate::provider) async fn poll<T, F>(
    longest: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<Option<T>, CallError>>,
{
    let mut pauses = Backoff::polling(longest);
    loop {
        let asked = timeout(ONE_QUESTION, ask()).await;
        match asked.unwrap_or_else(|_| Err(CallError::retry(Reason::ProviderTimeout, Charged::Unknown))) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => match error.fate {
                Fate::Retry { after, .. } => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "task not asked after");
                    sleep(after.unwrap_or_default()).await;
                }
                _ => return Err(error),
            },
        }
        pauses.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_asked_again_until_there_is_an_answer() {
        let asked = AtomicU32::new(0);
        let answer = poll(Duration::from_secs(2), || async {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(None),
                1 => Err(CallError::retry(Reason::ProviderUnavailable, Charged::Unknown)),
                2 => std::future::pending().await,
                _ => Ok(Some("done")),
            }
        });
        assert_eq!((answer.await.ok(), asked.load(Ordering::Relaxed)), (Some("done"), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wished_wait_is_honoured_and_what_is_final_ends_it() {
        let (asked, started) = (AtomicU32::new(0), Instant::now());
        let ended = poll::<(), _>(Duration::from_secs(2), || async {
            let wait = Some(Duration::from_secs(20));
            Err(match asked.fetch_add(1, Ordering::Relaxed) {
                0 => CallError::retry(Reason::ProviderRateLimited, Charged::No).after(wait),
                _ => CallError::failed(Reason::ProviderRejected),
            })
        });
        assert_eq!(ended.await.map_err(|error| error.reason), Err(Reason::ProviderRejected));
        assert!(started.elapsed() >= Duration::from_secs(20));
    }
}
