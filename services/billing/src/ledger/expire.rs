//! Booking credits that passed their expiry.

use imagioo_types::Credits;
use time::OffsetDateTime;

use super::account::{Account, Kind};
use super::posting::{Change, Posting};
use super::refusal::Refusal;
use super::wallet::Wallet;

impl Wallet {
    /// Books the free credits of each bucket past its expiry, one posting a bucket, dated at that expiry.
    pub(super) fn expire(&self, now: OffsetDateTime) -> Result<(Credits, Change), Refusal> {
        let mut total = Credits::ZERO;
        let mut change = Change::default();
        for bucket in &self.buckets {
            let Some(expiry) = bucket.expires_at.filter(|expiry| *expiry <= now) else { continue };
            if bucket.remaining == Credits::ZERO {
                continue;
            }
            let mut posting = Posting::new(Kind::Expire, expiry);
            posting.add(Account::Available(bucket.id), bucket.remaining.negate()?);
            posting.add(Account::Expired, bucket.remaining);
            total = total.add(bucket.remaining)?;
            change.postings.push(posting);
        }
        change.postings.sort_by_key(|posting| posting.effective_at);
        Ok((total, change))
    }
}
