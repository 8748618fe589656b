//! Limits of one caller: calls at the edge, and what pictures may be, their own and those that are made for them.

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// Rate limits at the edge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sustained calls per second of one user.
    pub user_per_second: u32,
    /// Calls of one user at once.
    pub user_burst: u32,
    /// Sustained credential calls per minute of one address.
    pub address_per_minute: u32,
    /// Credential calls of one address at once.
    pub address_burst: u32,
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("limits.user_per_second", self.user_per_second),
            ("limits.user_burst", self.user_burst),
            ("limits.address_per_minute", self.address_per_minute),
            ("limits.address_burst", self.address_burst),
        ] {
            bounded(key, value.into(), 1, 1_000_000)?;
        }
        Ok(())
    }
}

/// What pictures may be that users send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploads {
    /// Most bytes of one file.
    pub max_bytes: u64,
    /// Most pixels, checked before memory is taken for them.
    pub max_pixels: u64,
    /// Pictures that are decoded at once.
    pub decoders: usize,
}

impl Uploads {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        bounded("uploads.max_bytes", self.max_bytes, 1, 1 << 30)?;
        bounded("uploads.max_pixels", self.max_pixels, 1, 1 << 30)?;
        bounded("uploads.decoders", self.decoders as u64, 1, 1_000)
    }
}

/// What results may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Most pixels of one image; the workers keep no larger one.
    pub max_pixels: u64,
}

impl Results {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        bounded("results.max_pixels", self.max_pixels, 1, 1 << 30)
    }
}
