//! An answer that is read whole, up to a limit.

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::transport_error;
use crate::provider::{CallError, Charged};
use crate::reason::Reason;

/// An answer, whatever its status.
#[derive(Debug)]
pub(in crate::provider) struct Answer {
    pub(in crate::provider) status: StatusCode,
    pub(in crate::provider) headers: HeaderMap,
    pub(in crate::provider) body: Bytes,
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {limit} bytes")]
struct TooLong {
    limit: u64,
}

/// The place where an answer stops making sense; what stands there may be a prompt and stays out of logs.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not what it should be at line {line}, column {column}")]
pub(in crate::provider) struct NoAnswer {
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for NoAnswer {
    fn from(error: serde_json::Error) -> Self {
        Self { line: error.line(), column: error.column() }
    }
}

impl Answer {
    /// Reads an answer whose body has at most `limit` bytes.
    ///
    /// # Errors
    /// It is longer, or breaks off.
    pub(super) async fn read(mut response: Response, limit: u64) -> Result<Self, CallError> {
        let announced = response.content_length().unwrap_or(0);
        if announced > limit {
            return Err(too_long(limit));
        }
        let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
                return Err(too_long(limit));
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, body: body.freeze() })
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// It is something else: the provider may have done what it was asked.
    pub(in crate::provider) fn parse<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(NoAnswer::from(error))
        })
    }
}

fn too_long(limit: u64) -> CallError {
    CallError::failed(Reason::ProviderBadAnswer).because(TooLong { limit })
}
