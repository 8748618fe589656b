//! Holds: credits on their way from available to spent.

use std::str::FromStr;

use imagioo_types::{Credits, GenerationId};
use time::OffsetDateTime;

use super::wallet::BucketId;

/// Credits set aside for one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose hold it is; also the hold's own identity.
    pub generation: GenerationId,
    /// The owner's idempotency key.
    pub request_id: String,
    /// SHA-256 of the request the key stands for.
    pub body_hash: [u8; 32],
    /// Credits set aside.
    pub amount: Credits,
    /// Credits spent of them; zero until it is captured.
    pub captured: Credits,
    /// Open, captured or released.
    pub state: HoldState,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When the gateway is asked what became of the generation.
    pub resolve_after: OffsetDateTime,
    /// When it was captured or released.
    pub resolved_at: Option<OffsetDateTime>,
    /// Where an open hold's credits came from, in burn order.
    pub parts: Vec<Part>,
}

/// The share of a hold that one bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The bucket.
    pub bucket: BucketId,
    /// Credits.
    pub amount: Credits,
}

/// What became of a hold. It is left once: captured or released, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Not resolved.
    Open,
    /// Some or all of it was spent.
    Captured,
    /// All of it was given back.
    Released,
}

/// A word that names no state of a hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a hold")]
pub struct UnknownHoldState(pub String);

impl HoldState {
    /// The word stored with the hold.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Captured => "captured",
            Self::Released => "released",
        }
    }
}

impl FromStr for HoldState {
    type Err = UnknownHoldState;

    fn from_str(word: &str) -> Result<Self, UnknownHoldState> {
        [Self::Open, Self::Captured, Self::Released]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownHoldState(word.to_owned()))
    }
}
