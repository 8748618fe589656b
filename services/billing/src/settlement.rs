//! Settling a generation: the owner pays for what was delivered, never more than was held.

use imagioo_types::{Credits, GenerationId, UserId};

use crate::bookkeeper::Bookkeeper;
use crate::error::BillingError;
use crate::instruments;
use crate::ledger::{Refusal, WriteOff};

/// Captures `charge` and releases the rest, or releases everything for a charge of zero. Repeating it is harmless.
///
/// Delivered images stay delivered: what no hold covers is written off to the house, loudly.
///
/// # Errors
/// [`BillingError::Refused`] when the hold was settled in another way before; else the ledger is unreachable.
pub(crate) async fn settle(
    bookkeeper: &Bookkeeper,
    owner: UserId,
    generation: GenerationId,
    charge: Credits,
) -> Result<(), BillingError> {
    if charge == Credits::ZERO {
        return match bookkeeper.release(owner, generation).await {
            Ok(_) | Err(BillingError::Refused(Refusal::NoHold)) => Ok(()),
            Err(error) => Err(error),
        };
    }
    let covered = match bookkeeper.capture(owner, generation, charge).await {
        Ok(_) => return Ok(()),
        Err(BillingError::Refused(Refusal::NoHold | Refusal::AlreadyReleased)) => Credits::ZERO,
        Err(BillingError::Refused(Refusal::ExceedsHold { held })) => {
            bookkeeper.capture(owner, generation, held).await?.captured
        }
        // The hold was too small, and only the write-off is missing.
        Err(BillingError::Refused(Refusal::AlreadyCaptured { captured, held }))
            if captured == held && held < charge =>
        {
            held
        }
        Err(error) => return Err(error),
    };
    let amount = charge.subtract(covered).map_err(Refusal::from)?;
    if bookkeeper.write_off(owner, WriteOff { generation, amount }).await? {
        instruments::written_off();
        tracing::error!(%generation, %charge, %covered, "delivered images had no hold, the charge is written off");
    }
    Ok(())
}
