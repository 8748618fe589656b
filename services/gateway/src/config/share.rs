//! A user's part of a busy deployment.

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;

/// A user's part of a busy deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareConfig {
    /// Relative weight, above zero.
    pub weight: f64,
    /// Most generations dispatched or running at once, per deployment.
    pub in_flight: i32,
}

impl ShareConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(self.weight.is_finite() && self.weight > 0.0) {
            return Err(ConfigError::Senseless("share.weight must be a number above zero".into()));
        }
        bounded("share.in_flight", u64::try_from(self.in_flight).unwrap_or_default(), 1, 10_000)
    }
}
