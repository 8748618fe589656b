//! The accounts that credits flow between, and why they flow.

use std::fmt;
use std::str::FromStr;

use super::wallet::BucketId;

/// An account of the double entry. A positive entry flows into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// Credits of a bucket that are free to spend.
    Available(BucketId),
    /// Credits of a bucket that are held.
    Reserved(BucketId),
    /// What the owner owes, as a negative sum.
    Debt,
    /// Where granted credits come from; its sum is what was ever granted, negative.
    Issuance(Source),
    /// Paid for delivered images.
    Spent,
    /// Lost by passing their expiry.
    Expired,
    /// Taken back after a refund or a dispute.
    Clawback,
    /// The house's own account for corrections; images nobody paid for are its debt.
    Adjustment,
}

impl Account {
    /// The bucket whose credits move, for the two accounts that are kept by bucket.
    #[must_use]
    pub const fn bucket(self) -> Option<BucketId> {
        match self {
            Self::Available(bucket) | Self::Reserved(bucket) => Some(bucket),
            _ => None,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available(_) => f.write_str("available"),
            Self::Reserved(_) => f.write_str("reserved"),
            Self::Debt => f.write_str("debt"),
            Self::Issuance(source) => write!(f, "issuance:{}", source.as_str()),
            Self::Spent => f.write_str("spent"),
            Self::Expired => f.write_str("expired"),
            Self::Clawback => f.write_str("clawback"),
            Self::Adjustment => f.write_str("adjustment"),
        }
    }
}

/// Why credits moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They were given.
    Grant,
    /// They were set aside for a generation.
    Hold,
    /// Held ones paid for delivered images.
    Capture,
    /// Held ones came back.
    Release,
    /// They passed their expiry.
    Expire,
    /// The books were corrected.
    Adjust,
}

impl Kind {
    /// The word stored with the entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Adjust => "adjust",
        }
    }
}

/// What a grant was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An operator's decision.
    Administrator,
    /// Coming back on another day.
    DailyLogin,
    /// A promotion code.
    Promotion,
    /// A pack bought once.
    Purchase,
    /// A verified account.
    Registration,
    /// A paid period of a plan.
    Subscription,
}

/// A word that names no source of grants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source of grants")]
pub struct UnknownSource(pub String);

impl Source {
    const ALL: [Self; 6] = [
        Self::Administrator,
        Self::DailyLogin,
        Self::Promotion,
        Self::Purchase,
        Self::Registration,
        Self::Subscription,
    ];

    /// The word stored with buckets and entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::DailyLogin => "daily_login",
            Self::Promotion => "promotion",
            Self::Purchase => "purchase",
            Self::Registration => "registration",
            Self::Subscription => "subscription",
        }
    }
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(word: &str) -> Result<Self, UnknownSource> {
        Self::ALL
            .into_iter()
            .find(|source| source.as_str() == word)
            .ok_or_else(|| UnknownSource(word.to_owned()))
    }
}
