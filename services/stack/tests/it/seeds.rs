//! The two forms of a long test: small in `make test`, as long as wanted in `make soak`.

use std::io::Write as _;

/// Set by `make soak`.
const VARIABLE: &str = "IMAGIOO_SOAK_SEEDS";
/// For whoever looks for a cause: only what contains this text.
const ONLY: &str = "IMAGIOO_SOAK_ONLY";

/// The seeds of one run.
pub struct Seeds {
    count: u64,
    soak: bool,
}

impl Seeds {
    /// As many as `make soak` asked for, else the small form's.
    pub fn from_environment(small: u64) -> Self {
        let asked = std::env::var_os(VARIABLE).and_then(|count| count.to_str()?.parse().ok());
        Self { count: asked.unwrap_or(small), soak: asked.is_some() }
    }

    pub fn iter(&self) -> std::ops::Range<u64> {
        0..self.count
    }

    /// Whether this one of many is wanted; all are, unless somebody looks for a cause.
    pub fn wants(&self, name: &str) -> bool {
        std::env::var_os(ONLY).is_none_or(|only| only.to_str().is_some_and(|only| name.contains(only)))
    }

    pub const fn is_soak(&self) -> bool {
        self.soak
    }

    /// The line that a soak ends in; written past the test harness, which would swallow it.
    pub fn summary(&self, line: &str) {
        if self.soak {
            // A closed standard output leaves nobody to tell.
            let _ = writeln!(std::io::stdout().lock(), "soak {line}");
        }
    }
}
