//! Booking delivered images that no hold pays for.

use imagioo_types::Credits;
use time::OffsetDateTime;

use super::Answer;
use super::account::{Account, Kind};
use super::hold::HoldState;
use super::posting::{Change, Posting};
use super::refusal::Refusal;
use super::wallet::{Wallet, WriteOff};

impl Wallet {
    /// Charges the house instead of the owner.
    pub(super) fn write_off(
        &self,
        write_off: WriteOff,
        now: OffsetDateTime,
    ) -> Result<(Change, Answer), Refusal> {
        if write_off.amount <= Credits::ZERO {
            return Err(Refusal::InvalidAmount);
        }
        if self.write_offs.iter().any(|earlier| earlier.generation == write_off.generation) {
            return Ok((Change::default(), Answer::WrittenOff(false)));
        }
        if self.hold_of(write_off.generation).is_some_and(|hold| hold.state == HoldState::Open) {
            return Err(Refusal::HoldOpen);
        }
        let mut posting = Posting::new(Kind::Adjust, now).about(write_off.generation);
        posting.add(Account::Adjustment, write_off.amount.negate()?);
        posting.add(Account::Spent, write_off.amount);
        Ok((Change { write_off: Some(write_off), ..posting.into() }, Answer::WrittenOff(true)))
    }
}
