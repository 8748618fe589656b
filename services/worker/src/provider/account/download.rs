//! Fetching a result from the link a provider gave.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::Url;

use super::transport_error;
use crate::backoff::Backoff;
use crate::provider::{CallError, Charged, Fate};
use crate::reason::Reason;

/// How often a download that breaks off is begun again.
const RESTARTS: u32 = 3;

/// Longest pause before that.
const PAUSE: Duration = Duration::from_secs(2);

/// A result to be fetched. Clones share the client.
#[derive(Clone)]
pub(super) struct Download {
    pub(super) client: Client,
    /// Checked; the client checks the address behind it whenever it connects.
    pub(super) url: Url,
    /// Most bytes.
    pub(super) limit: u64,
    /// Longest time without a byte.
    pub(super) silence: Duration,
}

#[derive(Debug, thiserror::Error)]
enum NoFile {
    #[error("the link answers {0}")]
    Status(reqwest::StatusCode),
    #[error("the file is longer than {0} bytes")]
    TooLong(u64),
    #[error("nothing arrives")]
    Silence(#[source] tokio::time::error::Elapsed),
}

impl Download {
    /// Fetches the whole file, from its beginning again when it breaks off: the image is paid for, and its link does not
    /// live long. How long all of that may take is for the caller to say.
    ///
    /// # Errors
    /// The link leads nowhere, the file is too long, or it broke off too often.
    pub(super) async fn fetch(self) -> Result<Bytes, CallError> {
        let (mut pauses, mut left) = (Backoff::polling(PAUSE), RESTARTS);
        loop {
            let error = match self.read(self.open().await?).await {
                Ok(file) => return Ok(file),
                Err(error) => error,
            };
            if left == 0 || !may_pass(&error) {
                return Err(error);
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "download begun again");
            left -= 1;
            pauses.wait().await;
        }
    }

    /// Opens the file; tries again for a few seconds.
    async fn open(&self) -> Result<Response, CallError> {
        let mut backoff = Backoff::short();
        loop {
            match self.get().await {
                Err(error) if may_pass(&error) && backoff.wait().await => {}
                opened => return opened,
            }
        }
    }

    async fn get(&self) -> Result<Response, CallError> {
        let asked = timeout(self.silence, self.client.get(self.url.clone()).send()).await;
        let response = asked.map_err(silent)?.map_err(lost)?;
        let status = response.status();
        match status.as_u16() {
            200 => Ok(response),
            408 | 429 | 500..=599 => {
                Err(CallError::retry(Reason::ProviderBadImage, Charged::Unknown)
                    .because(NoFile::Status(status)))
            }
            _ => Err(CallError::failed(Reason::ProviderBadImage).because(NoFile::Status(status))),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Bytes, CallError> {
        let mut file = BytesMut::new();
        while let Some(chunk) =
            timeout(self.silence, response.chunk()).await.map_err(silent)?.map_err(lost)?
        {
            if (file.len() as u64).saturating_add(chunk.len() as u64) > self.limit {
                let long = NoFile::TooLong(self.limit);
                return Err(CallError::failed(Reason::ProviderBadImage).because(long));
            }
            file.extend_from_slice(&chunk);
        }
        Ok(file.freeze())
    }
}

const fn may_pass(error: &CallError) -> bool {
    matches!(error.fate, Fate::Retry { .. })
}

/// The image exists and was paid for; only its bytes did not arrive.
fn lost(error: reqwest::Error) -> CallError {
    CallError { fate: Fate::Retry { after: None, charged: Charged::Unknown }, ..transport_error(error) }
}

fn silent(error: tokio::time::error::Elapsed) -> CallError {
    CallError::retry(Reason::ProviderTimeout, Charged::Unknown).because(NoFile::Silence(error))
}
