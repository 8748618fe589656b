//! Postings: groups of entries that sum to zero, and the change of a wallet that they explain.

use imagioo_types::{Credits, GenerationId};
use time::OffsetDateTime;

use super::account::{Account, Kind, Source};
use super::hold::Hold;
use super::wallet::{Bucket, WriteOff};

/// One movement of credits into an account, or out of it when negative. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where the credits go.
    pub account: Account,
    /// How many.
    pub amount: Credits,
}

/// Entries that belong together and sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Why the credits moved.
    pub kind: Kind,
    /// The generation concerned.
    pub generation: Option<GenerationId>,
    /// Where granted credits came from.
    pub source: Option<Source>,
    /// When it happened: the expiry of expired credits, else when it was decided.
    pub effective_at: OffsetDateTime,
    /// The movements: accounts of the owner first, buckets in burn order.
    pub entries: Vec<Entry>,
}

impl Posting {
    pub(super) const fn new(kind: Kind, effective_at: OffsetDateTime) -> Self {
        Self { kind, generation: None, source: None, effective_at, entries: Vec::new() }
    }

    pub(super) const fn about(mut self, generation: GenerationId) -> Self {
        self.generation = Some(generation);
        self
    }

    pub(super) fn add(&mut self, account: Account, amount: Credits) {
        if amount != Credits::ZERO {
            self.entries.push(Entry { account, amount });
        }
    }
}

/// How a wallet changes: credits by its postings, the rest by the other fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Movements of credits.
    pub postings: Vec<Posting>,
    /// A new bucket, still empty: a posting fills it.
    pub bucket: Option<Bucket>,
    /// A hold that is new or was resolved.
    pub hold: Option<Hold>,
    /// A charge that nobody pays.
    pub write_off: Option<WriteOff>,
}

impl From<Posting> for Change {
    fn from(posting: Posting) -> Self {
        let postings = if posting.entries.is_empty() { Vec::new() } else { vec![posting] };
        Self { postings, ..Self::default() }
    }
}
