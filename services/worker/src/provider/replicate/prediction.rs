//! What Replicate says of a prediction, and what its complaints mean.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, tame};
use crate::provider::account::{Answer, retry_after};
use crate::provider::{CallError, Charged, Refusal};
use crate::reason::Reason;

/// A prediction.
#[derive(Debug, Deserialize)]
pub(super) struct Prediction {
    status: String,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    data_removed: bool,
    pub(super) urls: Urls,
}

/// Where to ask after a prediction.
#[derive(Debug, Deserialize)]
pub(super) struct Urls {
    pub(super) get: String,
}

/// How its models put a refusal; there is no code for it.
const REFUSALS: [&str; 8] =
    ["nsfw", "sensitive", "moderation", "content policy", "safety", "e005", "flagged", "inappropriate"];

/// A prediction that did not work; its own words stay out of logs, they may hold the prompt.
#[derive(Debug, thiserror::Error)]
#[error("the prediction is {status}")]
struct NotDone {
    status: String,
}

#[derive(Debug, thiserror::Error)]
#[error("what the prediction made was removed")]
struct Removed;

impl Prediction {
    /// Whether it is over, however it went.
    pub(super) fn is_over(&self, tell: impl FnOnce(u32)) -> bool {
        match self.status.as_str() {
            "starting" => false,
            "processing" => {
                tell(20);
                false
            }
            _ => true,
        }
    }

    /// What it made.
    ///
    /// # Errors
    /// It did not work.
    pub(super) fn into_output(self) -> Result<Value, CallError> {
        let not_done = || NotDone { status: tame(&self.status) };
        match self.status.as_str() {
            "succeeded" if self.data_removed => {
                Err(CallError::failed(Reason::ProviderOutcomeUnknown).because(Removed))
            }
            "succeeded" => Ok(self.output.unwrap_or_default()),
            "failed" if self.is_refused() => {
                Err(CallError::refused(Refusal { output: true, categories: Vec::new() }).because(not_done()))
            }
            "failed" => {
                Err(CallError::retry(Reason::ProviderUnavailable, Charged::Unknown).because(not_done()))
            }
            "canceled" => Err(CallError::failed(Reason::ProviderRejected).because(not_done())),
            // Its deadline came before its start; that is not charged.
            "aborted" => Err(CallError::retry(Reason::ProviderTimeout, Charged::No).because(not_done())),
            _ => Err(CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(not_done())),
        }
    }

    fn is_refused(&self) -> bool {
        let text = self.error.as_ref().map(|error| error.to_string().to_lowercase()).unwrap_or_default();
        REFUSALS.iter().any(|phrase| text.contains(phrase))
    }
}

/// What a complaint means. The wait stands in a text when no header tells it.
pub(super) fn complaint(answer: &Answer, now: OffsetDateTime) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default();
    let wait = retry_after(&answer.headers, now).or_else(|| resets_in(detail));
    by_status(answer.status, wait)
        .because(Complaint { status: answer.status.as_u16(), ..Complaint::default() })
}

/// The seconds in `… Your rate limit resets in ~30s.`
fn resets_in(detail: &str) -> Option<Duration> {
    let (_, rest) = detail.split_once("resets in ~")?;
    let seconds = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_from_the_text() {
        let text = "Request was throttled. Your rate limit resets in ~30s.";
        assert_eq!(resets_in(text), Some(Duration::from_secs(30)));
        assert_eq!(resets_in("Not found."), None);
    }
}
