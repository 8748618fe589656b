//! What an answer of Gemini means: images, refusals in two places, words instead of an image, complaints.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, tame, word};
use crate::provider::account::{Answer, retry_after};
use crate::provider::{CallError, Charged, Refusal, encoded};
use crate::reason::Reason;

/// Reasons to end that are refusals. `NO_IMAGE` is none: there was nothing to draw.
const REFUSALS: [&str; 9] = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    /// A complaint under a success's status.
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    content: Option<Parts>,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    inline_data: Option<Inline>,
    /// A draft that the model thought about; not a result.
    #[serde(default)]
    thought: bool,
}

#[derive(Deserialize)]
struct Inline {
    data: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the answer holds no image; it ended with `{0}`")]
struct NoImage(String);

/// The files of an answer, each with its own fate.
///
/// # Errors
/// It is a refusal or a complaint, or holds no image at all.
pub(super) fn files(
    answer: &Answer,
    now: OffsetDateTime,
) -> Result<Vec<Result<Bytes, CallError>>, CallError> {
    let content: Content = answer.parse()?;
    if content.error.is_some() {
        return Err(complaint(answer, now));
    }
    if let Some(reason) = content.prompt_feedback.and_then(|feedback| feedback.block_reason) {
        return Err(refused(false, &reason));
    }
    let mut found = Vec::new();
    let mut ended = Vec::new();
    for candidate in content.candidates {
        let parts = candidate.content.map(|content| content.parts).unwrap_or_default();
        let inline = parts.into_iter().filter(|part| !part.thought).filter_map(|part| part.inline_data);
        found.extend(inline.map(|inline| encoded::decode(&inline.data)));
        ended.extend(candidate.finish_reason);
    }
    if !found.is_empty() {
        return Ok(found);
    }
    match ended.iter().find(|reason| REFUSALS.contains(&reason.as_str())) {
        Some(reason) => Err(refused(true, reason)),
        None => Err(CallError::retry(Reason::ProviderFewerImages, Charged::Unknown)
            .because(NoImage(tame(&ended.join("/"))))),
    }
}

fn refused(output: bool, reason: &str) -> CallError {
    CallError::refused(Refusal { output, categories: vec![tame(reason).to_ascii_lowercase()] })
}

/// What a complaint means. The wait may stand in a detail of type `RetryInfo`.
pub(super) fn complaint(answer: &Answer, now: OffsetDateTime) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = body.get("error").unwrap_or(&body);
    let details = error.get("details").and_then(Value::as_array);
    let delay =
        details.and_then(|details| details.iter().find_map(|detail| detail.get("retryDelay")?.as_str()));
    let delay = delay.and_then(|text| text.trim_end_matches('s').parse::<f64>().ok());
    let delay = delay.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let named = |reason: &str| {
        let told = details.into_iter().flatten().filter_map(|detail| detail.get("reason")?.as_str());
        told.into_iter().any(|told| told == reason)
    };
    // A key that is none comes under status 400.
    let class = if named("API_KEY_INVALID") {
        CallError::failed(Reason::ProviderAuth)
    } else {
        by_status(answer.status, retry_after(&answer.headers, now).or(delay))
    };
    class.because(Complaint {
        status: answer.status.as_u16(),
        code: word(error.get("status")),
        ..Complaint::default()
    })
}
