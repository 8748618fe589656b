//! The `x-request-id` of every answer, by which operators find what was logged meanwhile.

use http::{HeaderValue, Response};
use uuid::Uuid;

const HEADER: &str = "x-request-id";

/// The name of one HTTP request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) fn generate() -> Self {
        Self(format!("req_{}", Uuid::now_v7().simple()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The answer with its name on it.
    pub(crate) fn mark<B>(&self, mut answer: Response<B>) -> Response<B> {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            answer.headers_mut().insert(HEADER, value);
        }
        answer
    }
}
