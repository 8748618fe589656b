//! The snapshot of one owner's credits, and how a change is applied to it.

use std::fmt;

use imagioo_types::{Credits, GenerationId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::account::{Account, Source};
use super::hold::Hold;
use super::posting::{Change, Entry};
use super::refusal::Refusal;

/// The credits of one grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(Uuid);

impl BucketId {
    /// A new identifier, larger than every earlier one of this process.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The identifier with this UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Debug for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {}", self.0.simple())
    }
}

/// What is left of one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its identity.
    pub id: BucketId,
    /// Names what was granted for; unique among all buckets.
    pub natural_key: String,
    /// Where it came from.
    pub source: Source,
    /// Not paid for: spent before paid credits of the same expiry.
    pub promotional: bool,
    /// Credits granted.
    pub granted: Credits,
    /// Credits free to spend.
    pub remaining: Credits,
    /// Credits held.
    pub reserved: Credits,
    /// When it was granted.
    pub granted_at: OffsetDateTime,
    /// When `remaining` is lost; `None` is never. What was held before may be captured after.
    pub expires_at: Option<OffsetDateTime>,
}

impl Bucket {
    /// Whether its free credits are lost at the instant `now`.
    #[must_use]
    pub fn expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }

    /// Sorts buckets into the order they are spent: earliest expiry, promotional before paid, oldest, id.
    pub(super) fn burn_order(&self) -> impl Ord + use<> {
        let paid = !self.promotional;
        (self.expires_at.is_none(), self.expires_at, paid, self.granted_at, self.id)
    }
}

/// A delivered charge that no hold pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOff {
    /// The generation that delivered.
    pub generation: GenerationId,
    /// What it should have cost.
    pub amount: Credits,
}

/// What one owner has. Of buckets, holds and write-offs it contains those that the operations at hand concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// Whose it is.
    pub owner: UserId,
    /// How often it changed; 0 before the first change is stored.
    pub version: i64,
    /// Sum of the buckets' free credits.
    pub available: Credits,
    /// Sum of the buckets' held credits.
    pub reserved: Credits,
    /// Credits owed.
    pub debt: Credits,
    /// No new holds.
    pub frozen: bool,
    /// Every bucket with credits left, and those whose natural key is asked for.
    pub buckets: Vec<Bucket>,
    /// The holds asked for by generation or request id.
    pub holds: Vec<Hold>,
    /// The write-offs asked for by generation.
    pub write_offs: Vec<WriteOff>,
}

impl Wallet {
    /// The wallet of somebody who never had a grant.
    #[must_use]
    pub const fn empty(owner: UserId) -> Self {
        Self {
            owner,
            version: 0,
            available: Credits::ZERO,
            reserved: Credits::ZERO,
            debt: Credits::ZERO,
            frozen: false,
            buckets: Vec::new(),
            holds: Vec::new(),
            write_offs: Vec::new(),
        }
    }

    pub(super) fn bucket(&self, id: BucketId) -> Option<&Bucket> {
        self.buckets.iter().find(|bucket| bucket.id == id)
    }

    pub(super) fn hold_of(&self, generation: GenerationId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.generation == generation)
    }

    /// Applies a change: all of it or, on an error, nothing.
    ///
    /// # Errors
    /// [`Refusal::Overflow`] when a sum does not fit; [`Refusal::Inconsistent`] when an entry names a foreign bucket.
    pub fn apply(&mut self, change: &Change) -> Result<(), Refusal> {
        let entries = || change.postings.iter().flat_map(|posting| &posting.entries);
        let (mut available, mut reserved, mut debt) = (self.available, self.reserved, self.debt);
        for entry in entries() {
            match entry.account {
                Account::Available(_) => available = available.add(entry.amount)?,
                Account::Reserved(_) => reserved = reserved.add(entry.amount)?,
                Account::Debt => debt = debt.subtract(entry.amount)?,
                _ => {}
            }
        }
        let mut buckets = self.buckets.clone();
        buckets.extend(change.bucket.clone());
        entries().try_for_each(|entry| fill(&mut buckets, entry))?;
        (self.available, self.reserved, self.debt, self.buckets) = (available, reserved, debt, buckets);
        self.write_offs.extend(change.write_off);
        if let Some(changed) = &change.hold {
            self.holds.retain(|hold| hold.generation != changed.generation);
            self.holds.push(changed.clone());
        }
        Ok(())
    }
}

fn fill(buckets: &mut [Bucket], entry: &Entry) -> Result<(), Refusal> {
    let Some(id) = entry.account.bucket() else { return Ok(()) };
    let bucket = buckets.iter_mut().find(|bucket| bucket.id == id).ok_or(Refusal::Inconsistent)?;
    let figure = match entry.account {
        Account::Reserved(_) => &mut bucket.reserved,
        _ => &mut bucket.remaining,
    };
    *figure = figure.add(entry.amount)?;
    Ok(())
}
