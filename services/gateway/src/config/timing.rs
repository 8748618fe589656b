//! Leases, deadlines and sweeps.

use imagioo_runtime::ConfigError;
use imagioo_runtime::settings::bounded;
use serde::Deserialize;
use time::Duration;

/// Leases, deadlines and sweeps, in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// How long a lease lasts without renewal.
    pub lease_seconds: u32,
    /// When a generation must have started.
    pub start_within_seconds: u32,
    /// When a generation must have ended.
    pub end_within_seconds: u32,
    /// When a hint that no worker took is given up.
    pub unstarted_seconds: u32,
    /// How often the sweeper looks.
    pub sweep_seconds: u32,
    /// How often the collector looks.
    pub collect_seconds: u32,
}

impl Timing {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 86_400;
        for (key, value, most) in [
            ("timing.lease_seconds", self.lease_seconds, 3_600),
            ("timing.start_within_seconds", self.start_within_seconds, 30 * DAY),
            ("timing.end_within_seconds", self.end_within_seconds, 30 * DAY),
            ("timing.unstarted_seconds", self.unstarted_seconds, DAY),
            ("timing.sweep_seconds", self.sweep_seconds, 3_600),
            ("timing.collect_seconds", self.collect_seconds, 30 * DAY),
        ] {
            bounded(key, value.into(), 1, most)?;
        }
        Ok(())
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::seconds(i64::from(self.lease_seconds))
    }

    pub(crate) fn start_within(&self) -> Duration {
        Duration::seconds(i64::from(self.start_within_seconds))
    }

    pub(crate) fn end_within(&self) -> Duration {
        Duration::seconds(i64::from(self.end_within_seconds))
    }

    pub(crate) fn unstarted(&self) -> Duration {
        Duration::seconds(i64::from(self.unstarted_seconds))
    }

    pub(crate) fn sweep(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.sweep_seconds))
    }

    pub(crate) fn collect(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.collect_seconds))
    }
}
