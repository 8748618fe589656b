//! What fal says of a task, and what its complaints mean.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, request_id, word};
use crate::provider::account::{Account, Answer, retry_after};
use crate::provider::{CallError, Charged, Fate, Images, Refusal, output};
use crate::reason::Reason;

#[derive(Deserialize)]
struct Status {
    status: String,
    #[serde(default)]
    queue_position: Option<u32>,
}

/// Whether a task is done; where it is in the queue shows as progress.
///
/// # Errors
/// The answer makes no sense; it may the next time.
pub(super) fn is_done(answer: &Answer, tell: impl FnOnce(u32)) -> Result<Option<()>, CallError> {
    let status: Status = answer.parse()?;
    match status.status.as_str() {
        "COMPLETED" => return Ok(Some(())),
        "IN_QUEUE" => tell(if status.queue_position.is_some_and(|place| place > 0) { 0 } else { 5 }),
        _ => tell(20),
    }
    Ok(None)
}

/// Whether an answer about a request that never was is in fal's words: a state, or a complaint with details.
pub(super) fn is_of_fal(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status.as_u16() {
        200 | 202 => body.get("status").is_some_and(Value::is_string),
        400 | 404 | 422 => body.get("detail").is_some_and(|detail| detail.is_string() || detail.is_array()),
        _ => false,
    }
}

/// What a complaint means: by the `type` of its details, then by its status, then by what it says of trying again.
pub(super) fn complaint(answer: &Answer, now: OffsetDateTime) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = body.get("detail").unwrap_or(&body);
    let details: Vec<&Value> = detail.as_array().map(|list| list.iter().collect()).unwrap_or_default();
    let kind =
        |kind: &str| details.iter().find(|detail| detail.get("type").and_then(Value::as_str) == Some(kind));
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let class = if let Some(refused) = kind("content_policy_violation") {
        CallError::refused(refusal(refused))
    } else if header("x-fal-request-timeout-type") == Some("user") {
        // A deadline of our own wishing was missed; its pages forbid to try that again.
        CallError::failed(Reason::ProviderTimeout)
    } else {
        by_status(answer.status, retry_after(&answer.headers, now))
    };
    let class = match (&class.fate, header("x-fal-retryable").or(header("x-fal-needs-retry"))) {
        // The same request would end the same way: it is the request's failure.
        (Fate::Retry { .. }, Some("false" | "0")) if answer.status.is_server_error() => {
            CallError::failed(Reason::ProviderRejected)
        }
        (Fate::Failed, Some("true" | "1")) if class.reason == Reason::ProviderRejected => {
            CallError::retry(Reason::ProviderUnavailable, Charged::Unknown)
        }
        _ => class,
    };
    // Server errors are never charged, say its pages on billing.
    let class = match class.fate {
        Fate::Retry { after, .. } if answer.status.is_server_error() => {
            CallError { fate: Fate::Retry { after, charged: Charged::No }, ..class }
        }
        _ => class,
    };
    class.because(Complaint {
        status: answer.status.as_u16(),
        code: header("x-fal-error-type").map(|kind| word(Some(&kind.into()))).unwrap_or_default(),
        kind: word(details.first().and_then(|detail| detail.get("type"))),
        about: word(details.first().and_then(|detail| detail.get("loc")?.as_array()?.last())),
        request: request_id(&answer.headers, "x-fal-request-id"),
    })
}

/// An entry of type `content_policy_violation`. One about no input is about what was made.
fn refusal(detail: &Value) -> Refusal {
    let about_input = detail
        .get("loc")
        .and_then(Value::as_array)
        .is_some_and(|loc| loc.first().is_some_and(|at| at == "body"));
    let categories = detail.get("categories").or_else(|| detail.get("ctx")?.get("categories"));
    let categories = categories.and_then(Value::as_array).into_iter().flatten();
    Refusal { output: !about_input, categories: categories.map(|name| word(Some(name))).collect() }
}

/// The images of a result. One that fal's checker blackened is a refusal. The seed that is told made the first image, and
/// which ones made the others is not told.
///
/// # Errors
/// There is none.
pub(super) fn images(account: &Account, result: &Value) -> Result<Images, CallError> {
    let seed = result.get("seed").and_then(Value::as_i64);
    let flags = result.get("has_nsfw_concepts").and_then(Value::as_array);
    let flagged =
        |place: usize| flags.and_then(|flags| flags.get(place)).and_then(Value::as_bool) == Some(true);
    let links = output::links(result);
    if links.is_empty() {
        return output::images(account, result, seed);
    }
    let refused = || Refusal { output: true, categories: vec!["nsfw".to_owned()] };
    let images: Vec<_> = links
        .into_iter()
        .enumerate()
        .map(|(place, link)| {
            if flagged(place) {
                Err(CallError::refused(refused()))
            } else {
                output::image(account, link, seed.filter(|_| place == 0))
            }
        })
        .collect();
    Ok(Box::pin(futures::stream::iter(images)))
}
