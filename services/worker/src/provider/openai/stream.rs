//! An answer that comes as server-sent events: drafts of the image, then the image.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use imagioo_picture::Format;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::complaint;
use super::events::Events;
use crate::progress::{Preview, Progress};
use crate::provider::account::{Account, NoAnswer, transport_error};
use crate::provider::{Call, CallError, Charged, encoded};
use crate::reason::Reason;

/// Most drafts a server is asked for, as the API has it.
pub(super) const MOST_DRAFTS: u32 = 3;

/// How far a call is after so many drafts, in percent.
const DRAFT: u32 = 25;

#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the stream ended before the image came")]
    Early,
    #[error("an event is no text")]
    NotText,
    #[error("the stream is longer than {0} bytes")]
    TooLong(u64),
}

/// Whether an answer is a stream of events.
pub(super) fn is_one(response: &Response) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Reads events until the image is there, and shows the drafts before it.
///
/// # Errors
/// The stream holds a complaint, makes no sense, or ends early: the image may have been made then.
pub(super) async fn image(
    account: &Account,
    call: &Call,
    progress: &Progress,
    response: Response,
) -> Result<Bytes, CallError> {
    let limit = account.answer_limit(MOST_DRAFTS + 1);
    let headers = response.headers().clone();
    let bytes = std::pin::pin!(limited(response.bytes_stream().map_err(transport_error), limit));
    let mut events = Events::of(bytes);
    while let Some(event) = events.next().await? {
        let data: Value = match serde_json::from_str(&event.data) {
            Ok(data) => data,
            // How some servers say goodbye.
            Err(_) if event.data == "[DONE]" => break,
            Err(error) => return Err(nonsense(NoAnswer::from(error))),
        };
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(&event.name);
        let picture = data.get("b64_json").and_then(Value::as_str);
        match (kind.rsplit('.').next().unwrap_or_default(), picture) {
            ("completed", Some(text)) => return encoded::decode(text),
            ("partial_image", Some(text)) => show(call, progress, &data, text),
            ("error" | "failed", _) => {
                let body = serde_json::to_vec(&data).unwrap_or_default();
                return Err(complaint::classify(StatusCode::OK, &headers, &body, account.now()));
            }
            _ => {}
        }
    }
    Err(nonsense(Broken::Early))
}

/// A draft that cannot be read is no loss.
fn show(call: &Call, progress: &Progress, event: &Value, text: &str) {
    let number = event.get("partial_image_index").and_then(Value::as_u64).unwrap_or_default();
    let percent = u32::try_from(number + 1).unwrap_or(u32::MAX).saturating_mul(DRAFT);
    if let Ok(data) = encoded::decode(text)
        && let Some(format) = Format::of(&data)
    {
        progress.preview(percent.min(90), Preview { index: call.first, format, data });
    }
}

fn limited<S>(bytes: S, limit: u64) -> impl Stream<Item = Result<Bytes, CallError>>
where
    S: Stream<Item = Result<Bytes, CallError>>,
{
    let mut seen = 0_u64;
    bytes.map(move |chunk| {
        let chunk = chunk?;
        seen = seen.saturating_add(chunk.len() as u64);
        if seen > limit {
            return Err(CallError::failed(Reason::ProviderBadAnswer).because(Broken::TooLong(limit)));
        }
        Ok(chunk)
    })
}

pub(super) fn nonsense(error: impl std::error::Error + Send + Sync + 'static) -> CallError {
    CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(error)
}
