//! Capturing and releasing holds: the two ways a hold ends.

use imagioo_types::{Credits, GenerationId};
use time::OffsetDateTime;

use super::Answer;
use super::account::{Account, Kind};
use super::hold::{Hold, HoldState};
use super::posting::{Change, Posting};
use super::refusal::Refusal;
use super::wallet::{BucketId, Wallet};

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Credits that paid for delivered images.
    pub captured: Credits,
    /// Credits that went back to their buckets, or were lost because their bucket had expired meanwhile.
    pub given_back: Credits,
}

impl Wallet {
    /// Spends `amount` of a hold, in burn order, and gives the remainder back.
    pub(super) fn capture(
        &self,
        generation: GenerationId,
        amount: Credits,
        now: OffsetDateTime,
    ) -> Result<(Change, Answer), Refusal> {
        if amount < Credits::ZERO {
            return Err(Refusal::InvalidAmount);
        }
        let hold = self.hold_of(generation).ok_or(Refusal::NoHold)?;
        match hold.state {
            HoldState::Released => Err(Refusal::AlreadyReleased),
            HoldState::Captured if hold.captured == amount => first_answer(hold),
            HoldState::Captured => Err(already_captured(hold)),
            HoldState::Open if hold.amount < amount => Err(Refusal::ExceedsHold { held: hold.amount }),
            HoldState::Open => {
                let posting = Posting::new(Kind::Capture, now).about(generation);
                self.resolve(hold, HoldState::Captured, amount, posting)
            }
        }
    }

    /// Gives all of a hold back.
    pub(super) fn release(
        &self,
        generation: GenerationId,
        now: OffsetDateTime,
    ) -> Result<(Change, Answer), Refusal> {
        let hold = self.hold_of(generation).ok_or(Refusal::NoHold)?;
        match hold.state {
            HoldState::Captured => Err(already_captured(hold)),
            HoldState::Released => first_answer(hold),
            HoldState::Open => {
                let posting = Posting::new(Kind::Release, now).about(generation);
                self.resolve(hold, HoldState::Released, Credits::ZERO, posting)
            }
        }
    }

    fn resolve(
        &self,
        hold: &Hold,
        state: HoldState,
        captured: Credits,
        mut posting: Posting,
    ) -> Result<(Change, Answer), Refusal> {
        let now = posting.effective_at;
        let mut back = Vec::with_capacity(hold.parts.len());
        let mut left = captured;
        for part in &hold.parts {
            let spent = part.amount.min(left);
            left = left.subtract(spent)?;
            posting.add(Account::Reserved(part.bucket), part.amount.negate()?);
            back.push((part.bucket, part.amount.subtract(spent)?));
        }
        posting.add(Account::Spent, captured);
        let mut expired = Credits::ZERO;
        for (bucket, amount) in back.into_iter().rev() {
            if self.is_expired(bucket, now) {
                expired = expired.add(amount)?;
            } else {
                posting.add(Account::Available(bucket), amount);
            }
        }
        posting.add(Account::Expired, expired);
        let resolved = Hold { state, captured, resolved_at: Some(now), parts: Vec::new(), ..hold.clone() };
        let (_, answer) = first_answer(&resolved)?;
        Ok((Change { hold: Some(resolved), ..posting.into() }, answer))
    }

    fn is_expired(&self, bucket: BucketId, now: OffsetDateTime) -> bool {
        self.bucket(bucket).is_none_or(|bucket| bucket.expired(now))
    }
}

fn first_answer(hold: &Hold) -> Result<(Change, Answer), Refusal> {
    let given_back = hold.amount.subtract(hold.captured)?;
    Ok((Change::default(), Answer::Resolved(Resolution { captured: hold.captured, given_back })))
}

const fn already_captured(hold: &Hold) -> Refusal {
    Refusal::AlreadyCaptured { captured: hold.captured, held: hold.amount }
}
