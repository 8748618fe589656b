//! Granting credits.

use imagioo_types::Credits;
use time::{Duration, OffsetDateTime};

use super::Answer;
use super::account::{Account, Kind, Source};
use super::posting::{Change, Posting};
use super::refusal::Refusal;
use super::wallet::{Bucket, BucketId, Wallet};

/// Credits to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The identity of the new bucket; unused when the grant was made before.
    pub bucket: BucketId,
    /// Names what is granted for, so that it is granted once.
    pub natural_key: String,
    /// Where the credits come from.
    pub source: Source,
    /// Not paid for.
    pub promotional: bool,
    /// How many, more than zero.
    pub amount: Credits,
    /// How long they can be spent; `None` is for ever.
    pub lifetime: Option<Duration>,
}

impl Wallet {
    /// Gives credits. A debt is repaid from them before the rest can be spent.
    pub(super) fn grant(&self, grant: &Grant, now: OffsetDateTime) -> Result<(Change, Answer), Refusal> {
        if self.buckets.iter().any(|bucket| bucket.natural_key == grant.natural_key) {
            return Ok((Change::default(), Answer::Granted(false)));
        }
        if grant.amount <= Credits::ZERO {
            return Err(Refusal::InvalidAmount);
        }
        let repaid = self.debt.min(grant.amount);
        let mut posting = Posting::new(Kind::Grant, now);
        posting.source = Some(grant.source);
        posting.add(Account::Debt, repaid);
        posting.add(Account::Available(grant.bucket), grant.amount.subtract(repaid)?);
        posting.add(Account::Issuance(grant.source), grant.amount.negate()?);
        let bucket = grant.bucket_at(now)?;
        Ok((Change { bucket: Some(bucket), ..posting.into() }, Answer::Granted(true)))
    }
}

impl Grant {
    fn bucket_at(&self, now: OffsetDateTime) -> Result<Bucket, Refusal> {
        let expiry = |lifetime| now.checked_add(lifetime).ok_or(Refusal::Overflow);
        Ok(Bucket {
            id: self.bucket,
            natural_key: self.natural_key.clone(),
            source: self.source,
            promotional: self.promotional,
            granted: self.amount,
            remaining: Credits::ZERO,
            reserved: Credits::ZERO,
            granted_at: now,
            expires_at: self.lifetime.map(expiry).transpose()?,
        })
    }
}
