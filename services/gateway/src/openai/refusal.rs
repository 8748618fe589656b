//! Errors in OpenAI's shape, with what its SDKs heed: when to try again, and when not.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use imagioo_rpc::{Code, RpcError};
use imagioo_types::GenerationId;
use serde_json::{Value, json};

use super::answer;
use crate::error::Error;
use crate::generation::{ContentPolicy, Generation, State};
use crate::screening::STAGE;

mod table;

use table::{INVALID, ending, param, row};

/// Why a call was refused, as a client of OpenAI expects to read it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    code: String,
    param: Option<String>,
    message: String,
    policy: Option<ContentPolicy>,
    retry_after: Option<Duration>,
    /// Overrules what the client would do.
    should_retry: Option<bool>,
    generation: Option<GenerationId>,
}

impl Refusal {
    fn new(
        (status, kind, code): (StatusCode, &'static str, &str),
        param: Option<String>,
        message: String,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            kind,
            code: code.to_owned(),
            param,
            message,
            policy: None,
            retry_after: None,
            should_retry: None,
            generation: None,
        }))
    }

    /// A parameter of the call is wrong; `code` is one of OpenAI's.
    pub(super) fn parameter(name: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::new((StatusCode::BAD_REQUEST, INVALID, code), Some(name.to_owned()), message.into())
    }

    /// The body as a whole is wrong.
    pub(super) fn body(message: impl Into<String>) -> Self {
        Self::new((StatusCode::BAD_REQUEST, INVALID, "invalid_body"), None, message.into())
    }

    /// A generation that ended without an image. Its repetition would find the same, so no client should try.
    pub(super) fn of_ending(generation: &Generation) -> Self {
        let Some(failure) = generation.failure.as_ref().filter(|_| generation.state == State::Failed) else {
            let message = "the generation was cancelled; nothing was charged".to_owned();
            let mut refusal = Self::new((StatusCode::CONFLICT, INVALID, "cancelled"), None, message);
            refusal.0.should_retry = Some(false);
            return refusal.about(generation.id);
        };
        let (status, kind) = ending(&failure.reason);
        let blocked = failure.content_policy.is_some();
        let code = if blocked { "moderation_blocked".to_owned() } else { failure.reason.to_lowercase() };
        let mut refusal = Self::new((status, kind, &code), None, failure.message.clone());
        refusal.0.policy.clone_from(&failure.content_policy);
        refusal.0.should_retry = Some(false);
        refusal.about(generation.id)
    }

    /// Names the generation, which the answer then tells.
    pub(super) fn about(mut self, generation: GenerationId) -> Self {
        self.0.generation = Some(generation);
        self
    }

    /// What may have been accepted is found again by a call with the same key; a call without one would make and charge a
    /// second one, which no client should do by itself.
    pub(super) fn repeated_by(mut self, has_key: bool) -> Self {
        if self.0.status.is_server_error() && self.0.should_retry.is_none() {
            self.0.should_retry = Some(has_key);
        }
        self
    }

    /// What stands in the answer, and in the event of a stream.
    pub(super) fn json(&self) -> Value {
        let Parts { kind, code, param, message, policy, .. } = self.0.as_ref();
        let mut error = json!({ "message": message, "type": kind, "param": param, "code": code });
        if let Some(policy) = policy {
            let names = policy.categories.join(", ");
            error["message"] = json!(format!("{message}; safety_violations=[{names}]"));
            error["moderation_details"] =
                json!({ "moderation_stage": policy.stage, "categories": policy.categories });
        }
        error
    }
}

impl From<RpcError> for Refusal {
    fn from(error: RpcError) -> Self {
        error.log();
        let fields = error.violations();
        let mut message = error.message().to_owned();
        for (field, description) in fields {
            let name = param(field).unwrap_or_else(|| field.clone());
            message = format!("{message}; {name}: {description}");
        }
        let param = match error.code() {
            Code::ModelUnknown | Code::ModelSunset => Some("model".to_owned()),
            _ => fields.first().and_then(|(field, _)| param(field)),
        };
        let mut refusal = Self::new(row(error.code()), param, message);
        refusal.0.retry_after = error.delay();
        // Neither money nor another key comes by itself.
        let lasting = matches!(
            error.code(),
            Code::InsufficientCredits
                | Code::WalletFrozen
                | Code::InDebt
                | Code::RequestIdReused
                | Code::RequestGivenUp
        );
        refusal.0.should_retry = lasting.then_some(false);
        if error.code() == Code::ContentPolicy {
            let detail = |key: &str| error.details().get(key).cloned().unwrap_or_default();
            let categories = detail("categories");
            let categories = categories.split(',').map(str::trim).filter(|name| !name.is_empty());
            refusal.0.policy = Some(ContentPolicy {
                stage: Some(detail("stage"))
                    .filter(|stage| !stage.is_empty())
                    .unwrap_or_else(|| STAGE.to_owned()),
                categories: categories.map(str::to_owned).collect(),
                provider: detail("provider"),
            });
        }
        refusal
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        RpcError::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.0.status, Json(json!({ "error": self.json() }))).into_response();
        let headers = answer.headers_mut();
        if let Some(delay) = self.0.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(delay.as_millis().div_ceil(1000).max(1) as u64),
            );
            headers.insert("retry-after-ms", HeaderValue::from(delay.as_millis() as u64));
        }
        if let Some(should) = self.0.should_retry {
            headers.insert("x-should-retry", HeaderValue::from_static(if should { "true" } else { "false" }));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        match self.0.generation {
            Some(generation) => answer::about(generation, answer),
            None => answer,
        }
    }
}

/// A known path with another method than it has.
pub(super) async fn wrong_method(request: Request) -> Refusal {
    let message = format!("not allowed to {} on {}", request.method(), request.uri().path());
    Refusal::new((StatusCode::METHOD_NOT_ALLOWED, INVALID, "method_not_supported"), None, message)
}

#[cfg(test)]
mod tests;
