//! The names by which services know each other.

use std::fmt;
use std::str::FromStr;

/// A process that may call another one's internal methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceName {
    /// Identities and sessions.
    Account,
    /// The ledger.
    Billing,
    /// The edge and the generations.
    Gateway,
    /// Whoever holds the operator's key: `imagioo admin`.
    Operator,
    /// Provider calls.
    Worker,
}

impl ServiceName {
    /// Every service.
    pub const ALL: [Self; 5] = [Self::Account, Self::Billing, Self::Gateway, Self::Operator, Self::Worker];

    /// The lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Billing => "billing",
            Self::Gateway => "gateway",
            Self::Operator => "operator",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no service has this name")]
pub struct UnknownService;

impl FromStr for ServiceName {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownService)
    }
}
