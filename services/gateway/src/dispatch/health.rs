//! How deployments are doing. Each replica counts what it sees, tells the others through the database, and acts on what
//! all of them saw: a deployment that keeps failing is shut, one that asks to be left alone is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use time::OffsetDateTime;

use crate::app::App;
use crate::catalogue::Deployment;
use crate::db::deployment_health::{self as db, Row, Seen};
use crate::error::Error;
use crate::instruments;

/// How often replicas tell and listen.
const EXCHANGE: Duration = Duration::from_millis(250);

/// How a deployment is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Available,
    /// The provider wants to be left alone.
    Paused {
        until: OffsetDateTime,
        reason: String,
    },
    /// Too many calls failed.
    Shut {
        until: OffsetDateTime,
        reason: String,
    },
    /// It was shut, and one call at a time tries.
    Probing {
        reason: String,
    },
}

impl Standing {
    /// Whether a generation may be sent there without a special reason.
    pub(crate) fn is_available(&self) -> bool {
        *self == Self::Available
    }
}

/// What a call says about its deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    Worked,
    Failed {
        reason: String,
    },
    /// It was asked too often.
    Busy {
        until: Option<OffsetDateTime>,
        reason: String,
    },
}

/// A call that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) deployment: &'a str,
    /// When it was sent to the workers.
    pub(crate) sent: Option<OffsetDateTime>,
}

/// What is known here. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<HashMap<String, Seen>>,
    known: RwLock<HashMap<String, Row>>,
}

impl Health {
    /// Counts a sign; `pause` is for how long a busy deployment is left alone that does not say. What was sent before the
    /// deployment was shut says nothing about how it is doing since.
    pub(crate) fn note(&self, call: &Call<'_>, sign: Sign, (now, pause): (OffsetDateTime, Duration)) {
        let deployment = call.deployment;
        let is_old = self.shut_at(deployment).zip(call.sent).is_some_and(|(shut, sent)| sent <= shut);
        if (is_old && !matches!(sign, Sign::Busy { .. }))
            || (sign == Sign::Worked && !self.is_suspect(deployment))
        {
            return;
        }
        if matches!(sign, Sign::Failed { .. }) {
            self.shut_if_tried(deployment);
        }
        let mut seen = self.seen();
        let seen = seen
            .entry(deployment.to_owned())
            .or_insert_with(|| Seen { deployment: deployment.to_owned(), ..Seen::default() });
        match sign {
            Sign::Worked => {
                seen.worked = true;
                seen.failures = 0;
            }
            Sign::Failed { reason } => {
                seen.failures = seen.failures.saturating_add(1);
                seen.reason = reason;
            }
            Sign::Busy { until, reason } => {
                seen.paused_until = seen.paused_until.max(Some(until.unwrap_or(now + pause)));
                seen.reason = reason;
            }
        }
    }

    /// How a deployment is doing, as of a moment ago.
    pub(crate) fn standing(&self, deployment: &str) -> Standing {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = known.get(deployment) else { return Standing::Available };
        let reason = row.reason.clone();
        match (row.shut_until, row.paused_until) {
            (Some(until), _) if row.is_shut => Standing::Shut { until, reason },
            (_, Some(until)) if row.is_paused => Standing::Paused { until, reason },
            (Some(_), _) => Standing::Probing { reason },
            _ => Standing::Available,
        }
    }

    /// Generations that may be dispatched or running there at once.
    pub(crate) fn window(&self, deployment: &Deployment) -> i64 {
        match self.standing(&deployment.id) {
            Standing::Available => i64::from(deployment.concurrency) + i64::from(deployment.prefetch),
            Standing::Probing { .. } => 1,
            Standing::Paused { .. } | Standing::Shut { .. } => 0,
        }
    }

    /// Whether generations may be sent there without the dispatcher, who alone counts exactly: more than the window may
    /// then be under way for a moment. Where nothing may lie ready, and where one call tries, nothing may be too many.
    pub(crate) fn may_overfill(&self, deployment: &Deployment) -> bool {
        deployment.prefetch > 0 && self.standing(&deployment.id).is_available()
    }

    /// Shuts a deployment whose trial failed until the others are asked: there is one trial, not as many as fit in between.
    fn shut_if_tried(&self, deployment: &str) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = known.get_mut(deployment).filter(|row| row.shut_until.is_some()) {
            row.is_shut = true;
        }
    }

    fn shut_at(&self, deployment: &str) -> Option<OffsetDateTime> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(deployment)?.shut_at
    }

    /// Whether a success is news.
    fn is_suspect(&self, deployment: &str) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(deployment).is_some_and(|row| row.failures > 0 || row.shut_until.is_some())
            || self.seen().contains_key(deployment)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, rows: Vec<Row>) {
        let fresh: HashMap<_, _> = rows.into_iter().map(|row| (row.deployment.clone(), row)).collect();
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

/// Tells and listens until shutdown.
pub(crate) async fn exchange(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(EXCHANGE);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = once(&app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "health of deployments not exchanged");
        }
    }
}

async fn once(app: &App) -> Result<(), Error> {
    let mut conn = app.pool.acquire().await?;
    let seen: Vec<_> = app.health.seen().drain().map(|(_, seen)| seen).collect();
    if !seen.is_empty() {
        let names: Vec<_> = seen.iter().map(|seen| seen.deployment.clone()).collect();
        db::know(&mut conn, &names).await?;
        db::add(&mut conn, &seen, &app.config.breaker).await?;
    }
    let before: Vec<_> = standings(app);
    app.health.learn(db::list(&mut conn).await?);
    for (deployment, standing) in standings(app) {
        instruments::available(&deployment, standing.is_available());
        let earlier = before.iter().find(|(id, _)| *id == deployment).map(|(_, standing)| standing);
        if earlier.is_some_and(|earlier| *earlier != standing) {
            tracing::warn!(deployment, standing = ?standing, "deployment changed its standing");
            app.turns.notify_one();
        }
    }
    Ok(())
}

fn standings(app: &App) -> Vec<(String, Standing)> {
    let catalogue = app.catalogue();
    let ids = catalogue.deployments().map(|deployment| deployment.id.clone());
    ids.map(|id| (id.clone(), app.health.standing(&id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHUT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn shut_once() -> Health {
        let health = Health::default();
        health.learn(vec![Row {
            deployment: "near".to_owned(),
            failures: 0,
            shut_at: Some(SHUT),
            shut_until: Some(SHUT),
            paused_until: None,
            is_shut: false,
            is_paused: false,
            reason: "PROVIDER_UNAVAILABLE".to_owned(),
        }]);
        health
    }

    fn seen_of(sent: OffsetDateTime, sign: Sign) -> Option<Seen> {
        let (health, call) = (shut_once(), Call { deployment: "near", sent: Some(sent) });
        health.note(&call, sign, (SHUT, Duration::from_secs(10)));
        health.seen().remove("near")
    }

    #[test]
    fn a_trial_that_fails_is_the_only_one() {
        let (health, sent) = (shut_once(), Some(SHUT + Duration::from_secs(1)));
        assert!(matches!(health.standing("near"), Standing::Probing { .. }));
        let failed = Sign::Failed { reason: "PROVIDER_TIMEOUT".to_owned() };
        health.note(&Call { deployment: "near", sent }, failed, (SHUT, Duration::from_secs(10)));
        assert!(matches!(health.standing("near"), Standing::Shut { .. }));
    }

    #[test]
    fn what_was_sent_before_a_deployment_was_shut_neither_opens_it_nor_shuts_it_again() {
        let failed = || Sign::Failed { reason: "PROVIDER_TIMEOUT".to_owned() };
        assert_eq!(seen_of(SHUT, Sign::Worked), None);
        assert_eq!(seen_of(SHUT, failed()), None);
        let later = SHUT + Duration::from_secs(1);
        assert!(seen_of(later, Sign::Worked).is_some_and(|seen| seen.worked));
        assert!(seen_of(later, failed()).is_some_and(|seen| seen.failures == 1));
        let busy = Sign::Busy { until: None, reason: "PROVIDER_RATE_LIMITED".to_owned() };
        assert!(seen_of(SHUT, busy).is_some_and(|seen| seen.paused_until.is_some()), "it said so just now");
    }
}
