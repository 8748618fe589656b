//! Fetching a result from the link a provider gave.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Client;
use url::Url;

use super::transport_error;
use crate::backoff::Backoff;
use crate::provider::{CallError, Charged, Fate};
use crate::reason::Reason;

/// Opens a result. Tries again for a few seconds: the image is paid for, and its link does not live long.
pub(super) async fn open(
    client: Client,
    url: Url,
) -> Result<BoxStream<'static, Result<Bytes, CallError>>, CallError> {
    let mut backoff = Backoff::short();
    loop {
        let error = match get(&client, &url).await {
            Ok(response) => return Ok(response.bytes_stream().map_err(lost).boxed()),
            Err(error) => error,
        };
        let worth_it = matches!(error.fate, Fate::Retry { .. });
        if !(worth_it && backoff.wait().await) {
            return Err(error);
        }
    }
}

/// A stream of nothing but the reason.
pub(super) fn broken(error: CallError) -> BoxStream<'static, Result<Bytes, CallError>> {
    stream::once(async { Err(error) }).boxed()
}

#[derive(Debug, thiserror::Error)]
#[error("the link answers {0}")]
struct NoFile(reqwest::StatusCode);

async fn get(client: &Client, url: &Url) -> Result<reqwest::Response, CallError> {
    let response = client.get(url.clone()).send().await.map_err(lost)?;
    let status = response.status();
    match status.as_u16() {
        200 => Ok(response),
        408 | 429 | 500..=599 => {
            Err(CallError::retry(Reason::ProviderBadImage, Charged::Unknown).because(NoFile(status)))
        }
        _ => Err(CallError::failed(Reason::ProviderBadImage).because(NoFile(status))),
    }
}

/// The image exists and was paid for; only its bytes did not arrive.
fn lost(error: reqwest::Error) -> CallError {
    CallError { fate: Fate::Retry { after: None, charged: Charged::Unknown }, ..transport_error(error) }
}
