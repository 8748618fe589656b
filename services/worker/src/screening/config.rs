//! The section `[screening]` of `deploy/config/worker.toml`.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Who decides about finished images.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningConfig {
    pub(super) output: ScreenKind,
    pub(super) moderations: ModerationsConfig,
}

/// A kind of screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScreenKind {
    Off,
    Moderations,
}

/// An endpoint like OpenAI's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModerationsConfig {
    /// Where `/moderations` is.
    pub(super) base_url: Url,
    /// Sent as a bearer token; empty for servers that want none.
    pub(super) api_key: SecretString,
    pub(super) model: String,
    /// For one question, from the connection to the last byte of the answer.
    pub(super) timeout_seconds: u64,
    /// For all questions about one image.
    pub(super) patience_seconds: u64,
    /// Most bytes of a file that is sent as it is.
    pub(super) image_bytes: u64,
    pub(super) trusted_hosts: Vec<String>,
}

impl ScreeningConfig {
    /// Numbers that must be above zero, by their keys.
    pub(crate) fn positive(&self) -> [(&'static str, u64); 3] {
        let endpoint = &self.moderations;
        [
            ("screening.moderations.timeout_seconds", endpoint.timeout_seconds),
            ("screening.moderations.patience_seconds", endpoint.patience_seconds),
            ("screening.moderations.image_bytes", endpoint.image_bytes),
        ]
    }

    /// Whether the address can be one of an API.
    pub(crate) fn has_address(&self) -> bool {
        let base_url = &self.moderations.base_url;
        matches!(base_url.scheme(), "http" | "https") && base_url.has_host()
    }
}
