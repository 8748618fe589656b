//! What Replicate says of a prediction, and what its complaints mean. A prediction that failed is the request's failure, as in
//! every adapter, unless it says that it was interrupted.

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

/// How its models put a refusal, word by word; there is no code for it but `E005`.
const REFUSALS: [&str; 14] = [
    "nsfw content detected",
    "nsfw content was detected",
    "nsfw image detected",
    "potential nsfw content",
    "flagged as sensitive",
    "flagged as nsfw",
    "flagged as inappropriate",
    "flagged by safety",
    "flagged by moderation",
    "flagged by content moderation",
    "content policy",
    "content moderation",
    "safety filter",
    "e005",
];

/// How they say that it was the request that was refused. `input or output was flagged` is not that.
const ABOUT_INPUT: [&str; 6] = [
    "prompt was flagged",
    "prompt flagged",
    "prompt has been flagged",
    "input was flagged",
    "input flagged",
    "input image was flagged",
];

/// How Replicate says that it stopped a prediction for reasons of its own.
const INTERRUPTED: &str = "prediction interrupted please retry";

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
            "failed" => Err(self.failure().because(not_done())),
            "canceled" => Err(CallError::failed(Reason::ProviderRejected).because(not_done())),
            // Its deadline came before its start; that is not charged.
            "aborted" => Err(CallError::retry(Reason::ProviderTimeout, Charged::No).because(not_done())),
            _ => Err(CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(not_done())),
        }
    }

    /// Why it failed, by its own words.
    fn failure(&self) -> CallError {
        let text = match &self.error {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words = format!(" {} ", words.collect::<Vec<_>>().join(" ").to_lowercase());
        let says = |phrase: &str| words.contains(&format!(" {phrase} "));
        if REFUSALS.into_iter().any(says) || ABOUT_INPUT.into_iter().any(says) {
            let output = !ABOUT_INPUT.into_iter().any(says);
            return CallError::refused(Refusal { output, categories: Vec::new() });
        }
        if words.starts_with(&format!(" {INTERRUPTED} ")) {
            return CallError::retry(Reason::ProviderUnavailable, Charged::Unknown);
        }
        CallError::failed(Reason::ProviderRejected)
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
