//! One request to an endpoint.

use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, header};
use imagioo_runtime::http::refusal;

use super::Webhooks;
use super::signature::Signed;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status and headers, or why there are none.
    pub(super) outcome: Result<(StatusCode, HeaderMap), NoAnswer>,
    pub(super) took: Duration,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("no answer in time")]
    TimedOut,
    #[error("cannot connect")]
    Unreachable,
    #[error("the connection broke")]
    Broken,
    #[error("not sent: {0}")]
    Refused(imagioo_runtime::http::Refusal),
}

/// Sends a signed body. What the answer says beyond its head is not read: nobody could use it, and it may not end.
pub(super) async fn post(webhooks: &Webhooks, url: &str, signed: Signed, body: Vec<u8>) -> Answer {
    let began = Instant::now();
    let sent = webhooks
        .client
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", signed.id)
        .header("webhook-timestamp", signed.timestamp)
        .header("webhook-signature", signed.signatures)
        .body(body)
        .send()
        .await;
    let outcome = sent.map(|answer| (answer.status(), answer.headers().clone()));
    Answer { outcome: outcome.map_err(|error| NoAnswer::of(&error)), took: began.elapsed() }
}

impl NoAnswer {
    fn of(error: &reqwest::Error) -> Self {
        match refusal(error) {
            Some(refusal) => Self::Refused(refusal),
            None if error.is_timeout() => Self::TimedOut,
            None if error.is_connect() => Self::Unreachable,
            None => Self::Broken,
        }
    }
}
