//! What the provider says of a task or a request. A task that ends with an error of no known kind is the request's failure,
//! as in every adapter.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, plain, word};
use crate::provider::account::{Answer, retry_after};
use crate::provider::{CallError, Refusal};
use crate::reason::Reason;

/// How a task is getting on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// With this image.
    Ready(Sample),
    Working,
    /// Whoever answered does not know the task.
    Unknown,
}

/// A finished image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) link: String,
    pub(super) seed: Option<i64>,
}

#[derive(Deserialize)]
struct Task {
    status: String,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    progress: Option<f64>,
    #[serde(default)]
    details: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, thiserror::Error)]
#[error("the task is ready and has no sample")]
struct NoSample;

/// Reads the answer to a question after a task.
///
/// # Errors
/// The task failed, or the question did and may be asked again.
pub(super) fn read(answer: &Answer, tell: impl FnOnce(u32), now: OffsetDateTime) -> Result<State, CallError> {
    if answer.status.as_u16() == 404 {
        return Ok(State::Unknown);
    }
    if !answer.status.is_success() {
        return Err(complaint(answer, now));
    }
    let task: Task = answer.parse().map_err(|error| error.or_graver(complaint(answer, now)))?;
    let said = task.error.as_ref().or(task.details.as_ref());
    match plain(&task.status).as_str() {
        "ready" => {
            let result = task.result.unwrap_or_default();
            let link = result.get("sample").and_then(Value::as_str).map(str::to_owned);
            let link = link.ok_or_else(|| CallError::failed(Reason::ProviderBadAnswer).because(NoSample))?;
            Ok(State::Ready(Sample { link, seed: result.get("seed").and_then(Value::as_i64) }))
        }
        "requestmoderated" => Err(refused(false, said)),
        "contentmoderated" => Err(refused(true, said)),
        "error" | "failed" if is_refusal(said) => Err(refused(false, said)),
        "error" | "failed" => {
            let complaint =
                Complaint { status: answer.status.as_u16(), code: word(said), ..Complaint::default() };
            Err(CallError::failed(Reason::ProviderRejected).because(complaint))
        }
        "tasknotfound" => Ok(State::Unknown),
        _ => {
            if let Some(share) = task.progress.filter(|share| (0.0..=1.0).contains(share)) {
                tell((share * 100.0) as u32);
            }
            Ok(State::Working)
        }
    }
}

/// The class of an answer that is no success.
pub(super) fn complaint(answer: &Answer, now: OffsetDateTime) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = ["error", "detail", "status"].iter().find_map(|name| body.get(name));
    let class = if is_refusal(said) {
        refused(false, said)
    } else {
        by_status(answer.status, retry_after(&answer.headers, now))
    };
    class.because(Complaint { status: answer.status.as_u16(), code: word(said), ..Complaint::default() })
}

/// The documentation has statuses of their own for refusals, the provider's examples an error's code.
fn is_refusal(said: Option<&Value>) -> bool {
    let name = plain(&word(said));
    ["contentpolicyviolation", "requestmoderated", "contentmoderated"].contains(&name.as_str())
}

fn refused(output: bool, said: Option<&Value>) -> CallError {
    let listed = said.and_then(|said| said.get("Moderation Reasons")).and_then(Value::as_array);
    let categories = listed.into_iter().flatten().map(|name| word(Some(name)));
    CallError::refused(Refusal { output, categories: categories.filter(|name| !name.is_empty()).collect() })
}
