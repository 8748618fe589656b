//! Calls in plain HTTP and from browsers.

use http::HeaderValue;
use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// Calls in plain HTTP and from browsers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Most bytes of one request, its pictures included.
    pub max_body_bytes: u64,
    /// Requests with pictures that one user may send at once.
    pub user_bodies: u32,
    /// How long a call waits for its images, in seconds since it arrived.
    pub wait_seconds: u32,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<String>,
}

/// When OpenAI's SDKs give up. They would call again, and the second call would be charged, too.
const PATIENCE_OF_CLIENTS: u32 = 600;

impl Http {
    /// Checked by [`Self::check`], so none is left out.
    pub(crate) fn origins(&self) -> Vec<HeaderValue> {
        self.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        bounded("http.max_body_bytes", self.max_body_bytes, 1, 1 << 30)?;
        bounded("http.user_bodies", self.user_bodies.into(), 1, 1_000)?;
        bounded("http.wait_seconds", self.wait_seconds.into(), 1, 86_400)?;
        if self.wait_seconds >= PATIENCE_OF_CLIENTS {
            let message = "http.wait_seconds must be below 600: OpenAI's SDKs give up by then and, not having been told to \
                           leave it, make the call again, which would be charged again";
            return Err(ConfigError::Senseless(message.into()));
        }
        if self.origins().len() < self.allowed_origins.len() {
            let message = "http.allowed_origins must hold origins such as https://app.example.com";
            return Err(ConfigError::Senseless(message.into()));
        }
        Ok(())
    }
}
