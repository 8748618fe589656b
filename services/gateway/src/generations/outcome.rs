//! What becomes of a generation when an attempt is over. Pure: rows and manifests in, one decision out.

use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::Message;
use imagioo_types::{Credits, GenerationId, UserId};
use time::{Duration, OffsetDateTime};

use crate::catalogue::UnknownOutcome;
use crate::config::Retries;
use crate::db::generations::settle::{Ending, Outcome, Provided, Settled};
use crate::generation::{Failure, Generation, Image, State};

/// How an attempt ended, as its manifest says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    Complete,
    Retry { cause: Failure, not_before: Option<OffsetDateTime>, charged: bool },
    Failed(Failure),
    Cancelled,
}

/// What else the decision depends on.
pub(crate) struct Circumstances<'a> {
    pub(crate) retries: &'a Retries,
    pub(crate) unknown_outcome: UnknownOutcome,
    /// Another deployment that could go on, with its caller's consent.
    pub(crate) elsewhere: Option<&'a str>,
    pub(crate) now: OffsetDateTime,
    /// Uniform in 0..1, for the jitter of the back-off.
    pub(crate) luck: f64,
}

/// Decides. Delivered images always count: with at least one the generation has succeeded, whatever else went wrong.
pub(crate) fn decide(
    generation: &Generation,
    images: Vec<Image>,
    report: Report,
    at: &Circumstances<'_>,
) -> Outcome {
    if !images.is_empty() {
        let missing = i64::from(generation.count) > images.len() as i64;
        return delivered(generation, images, shortfall(report, missing), at.now);
    }
    match report {
        Report::Complete => failed(
            generation,
            Failure::new("NO_IMAGE", "the provider answered without an image; nothing was charged"),
            at.now,
        ),
        Report::Cancelled => cancelled(generation, at.now),
        Report::Failed(failure) if at.elsewhere.is_some() && is_the_accounts(&failure) => {
            again(generation, failure, None, at)
        }
        Report::Failed(failure) => failed(generation, failure, at.now),
        Report::Retry { cause, not_before, charged } => {
            if charged && at.unknown_outcome == UnknownOutcome::Fail && !generation.cancel_requested {
                return failed(generation, cause, at.now);
            }
            again(generation, cause, not_before, at)
        }
    }
}

/// Another attempt while attempts and time are left: at once at another deployment, or later at the same.
fn again(
    generation: &Generation,
    cause: Failure,
    not_before: Option<OffsetDateTime>,
    at: &Circumstances<'_>,
) -> Outcome {
    let not_before = match at.elsewhere {
        Some(_) => at.now,
        None => next_try(generation, not_before, at),
    };
    if generation.cancel_requested {
        cancelled(generation, at.now)
    } else if generation.attempt < at.retries.attempts && not_before < generation.deadline {
        let ending =
            Ending::Requeue { not_before: Some(not_before), deployment: at.elsewhere.map(str::to_owned) };
        outcome(generation, ending, Some(cause), Credits::ZERO, 0, at.now)
    } else {
        failed(generation, cause, at.now)
    }
}

/// Whether a failure is about the platform's account at one provider, and so says nothing about another. What a provider
/// rejects is not among them: it may be a refusal in words that nobody knows yet.
fn is_the_accounts(failure: &Failure) -> bool {
    ["PROVIDER_AUTH", "PROVIDER_QUOTA"].contains(&failure.reason.as_str())
}

/// Ends a generation that no attempt will end: as its owner wished, or else as a failure.
pub(crate) fn given_up(generation: &Generation, failure: Failure, now: OffsetDateTime) -> Outcome {
    if generation.cancel_requested { cancelled(generation, now) } else { failed(generation, failure, now) }
}

fn failed(generation: &Generation, failure: Failure, now: OffsetDateTime) -> Outcome {
    end(generation, State::Failed, Vec::new(), Some(failure), now)
}

/// Ends a generation at its owner's wish.
pub(crate) fn cancelled(generation: &Generation, now: OffsetDateTime) -> Outcome {
    end(generation, State::Cancelled, Vec::new(), None, now)
}

fn delivered(
    generation: &Generation,
    images: Vec<Image>,
    failure: Option<Failure>,
    now: OffsetDateTime,
) -> Outcome {
    end(generation, State::Succeeded, images, failure, now)
}

/// Why fewer images than asked were delivered.
fn shortfall(report: Report, missing: bool) -> Option<Failure> {
    match report {
        Report::Complete if missing => Some(Failure::new(
            "FEWER_IMAGES",
            "the provider delivered fewer images than asked; the rest was not charged",
        )),
        Report::Complete => None,
        Report::Cancelled => Some(Failure::new("CANCELLED", "cancelled before every image was made")),
        Report::Failed(failure) | Report::Retry { cause: failure, .. } => Some(failure),
    }
}

fn end(
    generation: &Generation,
    state: State,
    images: Vec<Image>,
    failure: Option<Failure>,
    now: OffsetDateTime,
) -> Outcome {
    let count = images.len() as i64;
    let charge = Credits::new((generation.unit_price().get() * count).min(generation.price.get()));
    outcome(generation, Ending::End { state, charge, images }, failure, charge, count, now)
}

fn outcome(
    generation: &Generation,
    ending: Ending,
    failure: Option<Failure>,
    charge: Credits,
    images: i64,
    now: OffsetDateTime,
) -> Outcome {
    Outcome {
        generation: generation.id,
        attempt: generation.attempt,
        ending,
        failure,
        provided: Provided::Open,
        settled: settled(generation.id, generation.owner, charge, images, now),
    }
}

fn settled(
    generation: GenerationId,
    owner: UserId,
    charge: Credits,
    images: i64,
    now: OffsetDateTime,
) -> Settled {
    let message = Message::of(&GenerationSettled {
        generation: generation.name(),
        owner: owner.name(),
        charge: charge.get(),
        images: i32::try_from(images).unwrap_or(i32::MAX),
        end_time: Some(crate::grpc::convert::timestamp(now)),
    });
    Settled { message_id: message.id, name: message.name, body: message.body.to_vec(), trace: message.trace }
}

/// Full-jitter back-off from when the provider allows it: all who were told the same do not come back at once.
fn next_try(
    generation: &Generation,
    not_before: Option<OffsetDateTime>,
    at: &Circumstances<'_>,
) -> OffsetDateTime {
    let base = f64::from(at.retries.backoff_base_seconds);
    let ceiling = (base * 2_f64.powi(generation.attempt)).min(f64::from(at.retries.backoff_cap_seconds));
    let allowed = not_before.map_or(at.now, |earliest| earliest.max(at.now));
    allowed + Duration::seconds_f64(ceiling * at.luck)
}

#[cfg(test)]
mod tests;
