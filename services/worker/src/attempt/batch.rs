//! A batch of several calls: what the failure of one means for it and for the others. Each image stands for itself.
//!
//! The calls are made one after the other: a job holds one place at its deployment, and providers count what runs.

use std::time::Duration;

use super::keeping::graver;
use crate::backoff::PATIENCE;
use crate::job::UnknownOutcome;
use crate::provider::{CallError, Charged, Fate};
use crate::reason::Reason;

/// How often one call may be tried again.
const MOST_WAITS: u32 = 4;

/// Calls in a row that the provider may leave unanswered before the rest is given up: each may have been paid.
const MOST_UNANSWERED: u32 = 2;

/// What follows from a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The other calls are made.
    Others,
    /// The same call is made again, after a wait: it cost nothing, and what it failed of may pass.
    Again,
    /// Nothing.
    Stop,
}

/// How the calls of an attempt went so far.
#[derive(Debug)]
pub(super) struct Batch {
    rule: UnknownOutcome,
    gravest: Option<CallError>,
    unanswered: u32,
}

impl Batch {
    pub(super) fn new(rule: UnknownOutcome) -> Self {
        Self { rule, gravest: None, unanswered: 0 }
    }

    /// What follows from a failure. `delivered` says whether the attempt has an image, `undone` whether the provider
    /// did not take the call.
    pub(super) fn next(&self, error: &CallError, (delivered, undone): (bool, bool)) -> Next {
        match &error.fate {
            Fate::Blocked(_) => Next::Others,
            // What passed for one image is not what another one is refused for.
            Fate::Refused(refusal) if refusal.output || delivered => Next::Others,
            Fate::Refused(_) => Next::Stop,
            _ if concerns_all(error.reason) => Next::Stop,
            Fate::Failed => Next::Others,
            Fate::Retry { charged, .. } if self.starts_over(delivered, *charged) => Next::Stop,
            Fate::Retry { charged: Charged::No, .. } if undone => Next::Again,
            Fate::Retry { .. } if is_silence(error.reason) && self.unanswered + 1 >= MOST_UNANSWERED => {
                Next::Stop
            }
            Fate::Retry { .. } => Next::Others,
        }
    }

    /// Whether another attempt would make all of it, so that nothing more is to be made now.
    fn starts_over(&self, delivered: bool, charged: Charged) -> bool {
        let repeatable = |charged| charged == Charged::No || self.rule == UnknownOutcome::Repeat;
        let so_far = self
            .gravest
            .as_ref()
            .is_none_or(|error| matches!(error.fate, Fate::Retry { charged, .. } if repeatable(charged)));
        !delivered && so_far && repeatable(charged)
    }

    /// Notes a call that succeeded.
    pub(super) fn made(&mut self) {
        self.unanswered = 0;
    }

    /// Notes a call that failed for good.
    pub(super) fn lost(&mut self, error: CallError) {
        self.unanswered = if is_silence(error.reason) { self.unanswered + 1 } else { 0 };
        self.gravest = graver(self.gravest.take(), Some(error));
    }

    /// How it ended.
    ///
    /// # Errors
    /// The gravest failure.
    pub(super) fn end(self) -> Result<(), CallError> {
        self.gravest.map_or(Ok(()), Err)
    }
}

/// Whether every other call would end the same way, or its image be lost the same way.
const fn concerns_all(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SettingUnsupported
            | Reason::InputGone
            | Reason::InputUnusable
            | Reason::ProviderAuth
            | Reason::ProviderQuota
            | Reason::OwnKeyRefused
            | Reason::OwnKeyExhausted
            | Reason::ProviderRejected
            | Reason::ResultHostNotAllowed
            | Reason::ScreeningUnavailable
            | Reason::StorageUnavailable
            | Reason::GatewayUnavailable
    )
}

/// Whether the provider did not answer.
const fn is_silence(reason: Reason) -> bool {
    matches!(reason, Reason::ProviderUnavailable | Reason::ProviderTimeout)
}

/// The waits of one call: few and short, for the job holds its place meanwhile.
#[derive(Debug, Default)]
pub(super) struct Waits(u32);

impl Waits {
    /// Waits as long as the provider wishes, and at least a random part of a pause that doubles; false, at once, when that
    /// is too long or was done often enough.
    pub(super) async fn wait(&mut self, wished: Option<Duration>) -> bool {
        let longest = Duration::from_secs(1 << self.0).min(PATIENCE);
        let pause = longest.mul_f64(rand::random_range(0.0..=1.0)).max(wished.unwrap_or_default());
        if self.0 == MOST_WAITS || pause > PATIENCE {
            return false;
        }
        self.0 += 1;
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_are_few_and_short_and_as_long_as_wished() {
        let (started, mut waits, mut count) = (Instant::now(), Waits::default(), 0);
        while waits.wait(None).await {
            count += 1;
        }
        assert_eq!(count, MOST_WAITS);
        assert!(started.elapsed() <= PATIENCE * MOST_WAITS);
        let (started, mut waits) = (Instant::now(), Waits::default());
        assert!(waits.wait(Some(PATIENCE)).await);
        assert_eq!(started.elapsed(), PATIENCE);
        assert!(!waits.wait(Some(PATIENCE + Duration::from_millis(1))).await);
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
