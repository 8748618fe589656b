//! The rules of the ledger as a pure state machine: no SQL, no clock, no network.
//!
//! A [`Wallet`] is a snapshot of what one owner has. [`Wallet::execute`] carries out one [`Operation`]: it changes the
//! snapshot and tells the [`Posting`]s that explain the change, or refuses and changes nothing. Every figure of a
//! wallet and of its buckets is the sum of the entries posted to it, by construction: nothing else moves credits.

mod account;
mod expire;
mod grant;
mod hold;
mod posting;
mod refusal;
mod reserve;
mod resolve;
mod wallet;
mod write_off;

use imagioo_types::{Credits, GenerationId};
use time::OffsetDateTime;

pub use account::{Account, Kind, Source, UnknownSource};
pub use grant::Grant;
pub use hold::{Hold, HoldState, Part, UnknownHoldState};
pub use posting::{Change, Entry, Posting};
pub use refusal::Refusal;
pub use reserve::{Held, HoldRequest};
pub use resolve::Resolution;
pub use wallet::{Bucket, BucketId, Wallet, WriteOff};

/// What can be done to a wallet. Doing the same again changes nothing and gives the first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Gives credits, once per natural key.
    Grant(Grant),
    /// Sets credits aside for a generation, once per request id.
    Hold(HoldRequest),
    /// Spends held credits and gives the remainder back.
    Capture {
        /// Whose hold it is.
        generation: GenerationId,
        /// Credits to spend, at most what is held.
        amount: Credits,
    },
    /// Gives all held credits back.
    Release {
        /// Whose hold it is.
        generation: GenerationId,
    },
    /// Books delivered images that no hold pays for, once per generation.
    WriteOff(WriteOff),
    /// Books what expired. Every other operation does this first.
    Expire,
}

impl Operation {
    /// Its name, for operators.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Grant(_) => "grant",
            Self::Hold(_) => "hold",
            Self::Capture { .. } => "capture",
            Self::Release { .. } => "release",
            Self::WriteOff(_) => "write_off",
            Self::Expire => "expire",
        }
    }
}

/// What became of an operation that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Credits were given; false when an earlier grant had the same key.
    Granted(bool),
    /// Credits are set aside.
    Held(Held),
    /// A hold was captured or released.
    Resolved(Resolution),
    /// A charge was written off; false when it had been before.
    WrittenOff(bool),
    /// This many credits expired.
    Expired(Credits),
}

/// What [`Wallet::execute`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// What was posted, in order. A refused operation may still have found expired credits to book.
    pub postings: Vec<Posting>,
    /// The answer to the operation.
    pub answer: Result<Answer, Refusal>,
}

impl Wallet {
    /// Carries out one operation at the instant `now` of the database's clock.
    pub fn execute(&mut self, operation: &Operation, now: OffsetDateTime) -> Executed {
        let mut postings = Vec::new();
        let answer = self.step(operation, now, &mut postings);
        Executed { postings, answer }
    }

    fn step(
        &mut self,
        operation: &Operation,
        now: OffsetDateTime,
        postings: &mut Vec<Posting>,
    ) -> Result<Answer, Refusal> {
        let (expired, change) = self.expire(now)?;
        self.apply(&change)?;
        postings.extend(change.postings);
        let (change, answer) = match operation {
            Operation::Grant(grant) => self.grant(grant, now)?,
            Operation::Hold(request) => self.hold(request, now)?,
            Operation::Capture { generation, amount } => self.capture(*generation, *amount, now)?,
            Operation::Release { generation } => self.release(*generation, now)?,
            Operation::WriteOff(write_off) => self.write_off(*write_off, now)?,
            Operation::Expire => (Change::default(), Answer::Expired(expired)),
        };
        self.apply(&change)?;
        postings.extend(change.postings);
        Ok(answer)
    }
}
