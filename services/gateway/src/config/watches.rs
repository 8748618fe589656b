//! Streams that show generations as they change.

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// What one user may watch, and how slowly.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watches {
    /// Streams and waiting calls of one user at once, for each replica.
    pub per_user: u32,
    /// Seconds after which a reader that takes nothing is dropped.
    pub patience_seconds: u32,
}

impl Watches {
    /// Checks what types cannot.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        bounded("watches.per_user", self.per_user.into(), 1, 100_000)?;
        bounded("watches.patience_seconds", self.patience_seconds.into(), 1, 3_600)
    }
}
