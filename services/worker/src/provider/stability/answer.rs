//! What an answer of Stability means.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, plain, word};
use crate::provider::account::{Answer, retry_after};
use crate::provider::{CallError, Charged, Refusal, encoded};
use crate::reason::Reason;

/// What became of a call, or of a task.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The image, and the seed that repeats it.
    Image(Bytes, Option<i64>),
    /// The id of a task.
    Accepted(String),
    /// The task is not done.
    Working,
}

#[derive(Deserialize)]
struct Body {
    /// The image; `result` where a task made it.
    #[serde(default, alias = "result")]
    image: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    id: Option<String>,
    /// What a complaint has, under whatever status; it has an `id` as well.
    #[serde(default)]
    errors: Option<IgnoredAny>,
    #[serde(default)]
    name: Option<IgnoredAny>,
}

/// Reads an answer.
///
/// # Errors
/// It is a refusal or a complaint, or makes no sense.
pub(super) fn read(answer: &Answer, now: OffsetDateTime) -> Result<Outcome, CallError> {
    if answer.status.as_u16() == 202 {
        return Ok(Outcome::Working);
    }
    if !answer.status.is_success() {
        return Err(complaint(answer, now));
    }
    let body: Body = answer.parse()?;
    if body.finish_reason.as_deref() == Some("CONTENT_FILTERED") {
        return Err(CallError::refused(Refusal { output: true, categories: Vec::new() }));
    }
    if body.image.is_none() && (body.errors.is_some() || body.name.is_some()) {
        return Err(complaint(answer, now));
    }
    match (body.image, body.id) {
        (Some(image), _) => Ok(Outcome::Image(encoded::decode(&image)?, body.seed)),
        (None, Some(id)) if is_id(&id) => Ok(Outcome::Accepted(id)),
        _ => Err(nonsense()),
    }
}

/// An answer that is neither an image nor a task.
pub(super) fn nonsense() -> CallError {
    CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown)
}

/// The id becomes part of an address.
fn is_id(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn complaint(answer: &Answer, now: OffsetDateTime) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let name = word(body.get("name"));
    let class = if plain(&name) == "contentmoderation" {
        CallError::refused(Refusal::default())
    } else {
        by_status(answer.status, retry_after(&answer.headers, now))
    };
    class.because(Complaint {
        status: answer.status.as_u16(),
        code: name,
        request: word(body.get("id")),
        ..Complaint::default()
    })
}
