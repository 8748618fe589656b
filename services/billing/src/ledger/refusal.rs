//! Why an operation on a wallet is refused. A refused operation changes nothing.

use imagioo_types::{Credits, CreditsOverflow};

/// The reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fewer credits are available than needed.
    #[error("{needed} credits are needed and {available} are available")]
    Insufficient {
        /// What could be spent.
        available: Credits,
        /// What was asked for.
        needed: Credits,
    },
    /// The wallet is frozen by a dispute.
    #[error("the wallet is frozen")]
    Frozen,
    /// The owner owes credits.
    #[error("{debt} credits are owed")]
    InDebt {
        /// How many.
        debt: Credits,
    },
    /// An earlier hold used this request id for another body.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// Another hold has this generation's id.
    #[error("the generation id has a hold already")]
    GenerationTaken,
    /// Another owner's grant has this natural key.
    #[error("the natural key belongs to another owner's grant")]
    GrantKeyTaken,
    /// There is no hold for this generation.
    #[error("there is no hold for this generation")]
    NoHold,
    /// More than the hold has was to be captured.
    #[error("only {held} credits are held")]
    ExceedsHold {
        /// What is held.
        held: Credits,
    },
    /// The hold was captured before.
    #[error("{captured} of the hold's {held} credits were captured")]
    AlreadyCaptured {
        /// What was captured.
        captured: Credits,
        /// What was held.
        held: Credits,
    },
    /// The hold was released before.
    #[error("the hold was released")]
    AlreadyReleased,
    /// A charge cannot be written off while its hold is open.
    #[error("the hold is open: capture or release it")]
    HoldOpen,
    /// The amount has the wrong sign.
    #[error("the amount is out of range")]
    InvalidAmount,
    /// A sum does not fit 64 bits, or an expiry no calendar.
    #[error("the amount does not fit")]
    Overflow,
    /// An entry names a bucket that the wallet does not have.
    #[error("the wallet and its buckets do not fit together")]
    Inconsistent,
}

impl From<CreditsOverflow> for Refusal {
    fn from(_: CreditsOverflow) -> Self {
        Self::Overflow
    }
}
