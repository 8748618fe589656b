//! Setting credits aside for a generation.

use imagioo_types::{Credits, GenerationId};
use time::{Duration, OffsetDateTime};

use super::Answer;
use super::account::{Account, Kind};
use super::hold::{Hold, HoldState, Part};
use super::posting::{Change, Posting};
use super::refusal::Refusal;
use super::wallet::Wallet;

/// Credits to set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The generation to hold for, unless the request id already stands for another.
    pub generation: GenerationId,
    /// The owner's idempotency key.
    pub request_id: String,
    /// SHA-256 of the request the key stands for.
    pub body_hash: [u8; 32],
    /// How many, zero or more.
    pub amount: Credits,
    /// When nobody settled it by then, the gateway is asked.
    pub resolve_within: Duration,
}

/// The hold that a request id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The generation it is for.
    pub generation: GenerationId,
    /// Credits set aside when it was made.
    pub amount: Credits,
    /// False when an earlier request made it.
    pub created: bool,
}

impl Wallet {
    /// Sets credits aside, from the buckets that are lost first.
    pub(super) fn hold(
        &self,
        request: &HoldRequest,
        now: OffsetDateTime,
    ) -> Result<(Change, Answer), Refusal> {
        if let Some(hold) = self.holds.iter().find(|hold| hold.request_id == request.request_id) {
            return repeated(hold, request).map(|held| (Change::default(), Answer::Held(held)));
        }
        self.admit(request)?;
        let hold = Hold {
            generation: request.generation,
            request_id: request.request_id.clone(),
            body_hash: request.body_hash,
            amount: request.amount,
            captured: Credits::ZERO,
            state: HoldState::Open,
            created_at: now,
            resolve_after: now.checked_add(request.resolve_within).ok_or(Refusal::Overflow)?,
            resolved_at: None,
            parts: self.burn(request.amount)?,
        };
        let mut posting = Posting::new(Kind::Hold, now).about(hold.generation);
        for part in &hold.parts {
            posting.add(Account::Available(part.bucket), part.amount.negate()?);
            posting.add(Account::Reserved(part.bucket), part.amount);
        }
        let held = Held { generation: hold.generation, amount: hold.amount, created: true };
        Ok((Change { hold: Some(hold), ..posting.into() }, Answer::Held(held)))
    }

    fn admit(&self, request: &HoldRequest) -> Result<(), Refusal> {
        if self.hold_of(request.generation).is_some() {
            return Err(Refusal::GenerationTaken);
        }
        if request.amount < Credits::ZERO {
            return Err(Refusal::InvalidAmount);
        }
        if self.frozen {
            return Err(Refusal::Frozen);
        }
        if self.debt > Credits::ZERO {
            return Err(Refusal::InDebt { debt: self.debt });
        }
        if self.available < request.amount {
            return Err(Refusal::Insufficient { available: self.available, needed: request.amount });
        }
        Ok(())
    }

    /// The shares of `amount` by bucket. Expired buckets are empty by now: [`Wallet::execute`] books expiry first.
    fn burn(&self, amount: Credits) -> Result<Vec<Part>, Refusal> {
        let mut buckets: Vec<_> =
            self.buckets.iter().filter(|bucket| bucket.remaining > Credits::ZERO).collect();
        buckets.sort_by_key(|bucket| bucket.burn_order());
        let mut wanted = amount;
        let mut parts = Vec::new();
        for bucket in buckets {
            let share = bucket.remaining.min(wanted);
            if share == Credits::ZERO {
                break;
            }
            wanted = wanted.subtract(share)?;
            parts.push(Part { bucket: bucket.id, amount: share });
        }
        Ok(parts)
    }
}

fn repeated(hold: &Hold, request: &HoldRequest) -> Result<Held, Refusal> {
    if hold.body_hash != request.body_hash {
        return Err(Refusal::RequestIdReused);
    }
    Ok(Held { generation: hold.generation, amount: hold.amount, created: false })
}
