//! What every provider's complaints have in common: classes by status, and words that a log may hold.

use std::time::Duration;

pub(in crate::provider) use imagioo_types::tame;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::provider::{CallError, Charged};
use crate::reason::Reason;

/// What a provider said, reduced to what a log may hold.
#[derive(Debug, Default, thiserror::Error)]
#[error("status {status}, code `{code}`, type `{kind}`, about `{about}`, request `{request}`")]
pub(in crate::provider) struct Complaint {
    pub(in crate::provider) status: u16,
    pub(in crate::provider) code: String,
    pub(in crate::provider) kind: String,
    /// The parameter it is about.
    pub(in crate::provider) about: String,
    /// The provider's name for the request; its support asks for it.
    pub(in crate::provider) request: String,
}

/// The class of an answer of which nothing but its status says what it means.
pub(in crate::provider) fn by_status(status: StatusCode, wait: Option<Duration>) -> CallError {
    match status.as_u16() {
        401 | 403 => CallError::failed(Reason::ProviderAuth),
        402 => CallError::failed(Reason::ProviderQuota),
        429 => CallError::retry(Reason::ProviderRateLimited, Charged::No).after(wait),
        409 | 425 => CallError::retry(Reason::ProviderUnavailable, Charged::No).after(wait),
        408 => CallError::retry(Reason::ProviderTimeout, Charged::Unknown).after(wait),
        400..=499 => CallError::failed(Reason::ProviderRejected),
        500..=599 => CallError::retry(Reason::ProviderUnavailable, Charged::Unknown).after(wait),
        _ => CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown),
    }
}

/// The provider's name for a request, from the header it uses.
pub(in crate::provider) fn request_id(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|id| id.to_str().ok()).map(tame).unwrap_or_default()
}

/// A word or a number of a complaint; empty for anything else.
pub(in crate::provider) fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => tame(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A name whatever its case and its underscores.
pub(in crate::provider) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
