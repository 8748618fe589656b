//! When a generation's turn comes and when it probably ends: estimates from the dispatcher's counters and measured times.

use std::collections::HashMap;
use std::time::Duration;

use imagioo_types::{GenerationId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::db::backlog;
use crate::generation::{Generation, State};

/// What lies before an open generation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outlook {
    /// Generations that are served before it.
    pub(crate) ahead: i64,
    pub(crate) estimate: Option<Estimate>,
}

/// How long it takes from now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// Until it starts.
    pub(crate) wait: Duration,
    /// Until one in two has ended.
    pub(crate) median: Duration,
    /// Until nine in ten have ended.
    pub(crate) p90: Duration,
    /// Measured generations.
    pub(crate) samples: i32,
}

/// What lies before these generations of one owner; nothing for those that ended.
pub(crate) async fn of(
    app: &App,
    owner: UserId,
    generations: impl Iterator<Item = &Generation>,
) -> Result<HashMap<GenerationId, Outlook>, sqlx::Error> {
    let open: Vec<_> = generations.filter(|generation| !generation.state.is_final()).collect();
    let waiting = open.iter().filter(|generation| generation.state == State::Queued);
    let waiting: Vec<_> = waiting.map(|generation| generation.id.uuid()).collect();
    let places = places(app, owner, &waiting).await?;
    let outlook = |generation: &Generation| {
        let place = places.get(&generation.id).copied().unwrap_or(1);
        (generation.id, known(app, generation, place))
    };
    Ok(open.into_iter().map(outlook).collect())
}

/// The places of waiting generations among their owner's.
pub(crate) async fn places(
    app: &App,
    owner: UserId,
    waiting: &[Uuid],
) -> Result<HashMap<GenerationId, i64>, sqlx::Error> {
    if waiting.is_empty() {
        return Ok(HashMap::new());
    }
    let places = backlog::places(&mut *app.pool.acquire().await?, owner, waiting).await?;
    Ok(places.into_iter().collect())
}

/// What lies before a generation that was accepted just now.
pub(crate) fn of_new(app: &App, generation: &Generation) -> Outlook {
    known(app, generation, app.lines.own(&generation.deployment, generation.owner) + 1)
}

/// What would lie before a generation that the user created now.
pub(crate) fn of_next(app: &App, deployment: &str, user: UserId) -> Outlook {
    waits(app, deployment, user, app.lines.own(deployment, user) + 1)
}

fn known(app: &App, generation: &Generation, place: i64) -> Outlook {
    let deployment = &generation.deployment;
    match generation.state {
        State::Queued => waits(app, deployment, generation.owner, place),
        State::Dispatched => Outlook { ahead: 0, estimate: lasts(app, deployment, Duration::ZERO) },
        State::Running => {
            // When a later attempt began is not known.
            let began = generation.started_at.filter(|_| generation.attempt == 1);
            Outlook { ahead: 0, estimate: lasts(app, deployment, since(began, app.clock.now())) }
        }
        State::Succeeded | State::Failed | State::Cancelled | State::Void => Outlook::default(),
    }
}

fn waits(app: &App, deployment: &str, user: UserId, place: i64) -> Outlook {
    let ahead = app.lines.ahead(deployment, user, place);
    let Some(known) = app.catalogue().deployment(deployment).cloned() else {
        return Outlook { ahead, estimate: None };
    };
    let window = i64::from(known.concurrency);
    let estimate = app.pace.of(deployment).map(|times| {
        // Its turn comes when everybody before it had theirs, and when one of its owner's own slots is free.
        let rounds = if ahead == 0 && app.depths.has_slots(deployment, window) {
            0.0
        } else {
            let own = place as f64 / f64::from(app.config.share.in_flight.max(1));
            ((ahead + 1) as f64 / window.max(1) as f64).max(own)
        };
        let wait = seconds(rounds * times.mean);
        Estimate {
            wait,
            median: wait + seconds(times.median),
            p90: wait + seconds(times.p90),
            samples: times.samples,
        }
    });
    Outlook { ahead, estimate }
}

/// For one that has run for a while.
fn lasts(app: &App, deployment: &str, ran: Duration) -> Option<Estimate> {
    let times = app.pace.of(deployment)?;
    Some(Estimate {
        wait: Duration::ZERO,
        median: seconds(times.median).saturating_sub(ran),
        p90: seconds(times.p90).saturating_sub(ran),
        samples: times.samples,
    })
}

fn since(began: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    began.and_then(|began| Duration::try_from(now - began).ok()).unwrap_or_default()
}

/// A length of time that a product of measured ones may be.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
}
