//! The section `[screening]` of `deploy/config/gateway.toml`.

use std::path::PathBuf;

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Who decides about prompts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningConfig {
    /// In the order in which they are asked; none means that everything is allowed.
    pub(super) screens: Vec<ScreenKind>,
    pub(super) lists: ListsConfig,
    pub(super) http: EndpointConfig,
}

/// A kind of screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScreenKind {
    Lists,
    Http,
}

/// Local lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListsConfig {
    pub(super) files: Vec<PathBuf>,
    /// How often the files are looked at.
    pub(super) reload_seconds: u64,
}

/// A moderation endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointConfig {
    /// Where `/v1/moderation/prompt` is.
    pub(super) base_url: Url,
    /// Empty for an endpoint that wants none.
    pub(super) api_key: SecretString,
    pub(super) api_key_header: String,
    /// For everything from the connection to the last byte.
    pub(super) timeout_seconds: u64,
    pub(super) trusted_hosts: Vec<String>,
}

impl ScreeningConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ConfigError`] names the first value that makes no sense.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let senseless = |what: &str| Err(ConfigError::Senseless(what.into()));
        let asked = |kind| self.screens.iter().filter(|screen| **screen == kind).count();
        if asked(ScreenKind::Lists) > 1 || asked(ScreenKind::Http) > 1 {
            return senseless("screening.screens names a screen twice");
        }
        if asked(ScreenKind::Lists) > 0 && self.lists.files.is_empty() {
            return senseless(
                "screening.lists.files is empty: name a file, or remove \"lists\" from screening.screens",
            );
        }
        let base = &self.http.base_url;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return senseless("screening.http.base_url must begin with http:// or https://");
        }
        if self.http.api_key_header.parse::<http::HeaderName>().is_err() {
            return senseless("screening.http.api_key_header is not the name of a header");
        }
        bounded("screening.lists.reload_seconds", self.lists.reload_seconds, 1, 86_400)?;
        bounded("screening.http.timeout_seconds", self.http.timeout_seconds, 1, 60)
    }
}
