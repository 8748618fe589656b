//! Where generations run: the choice at their creation, what an attempt says of its deployment, and where to go on.

use crate::catalogue::{Catalogue, Stop};
use crate::dispatch::health::{Health, Sign, Standing};
use crate::generation::Generation;
use crate::generations::outcome::Report;

/// Reasons that are the deployment's fault, whatever the request was.
const FAULTS: [&str; 6] = [
    "PROVIDER_UNAVAILABLE",
    "PROVIDER_TIMEOUT",
    "PROVIDER_BAD_ANSWER",
    "PROVIDER_AUTH",
    "PROVIDER_QUOTA",
    "PROVIDER_NOT_CONFIGURED",
];

/// Those of them that are about the account.
const ACCOUNT: [&str; 3] = ["PROVIDER_AUTH", "PROVIDER_QUOTA", "PROVIDER_NOT_CONFIGURED"];

/// Reasons that say that the provider answered in its right mind.
const ANSWERS: [&str; 4] =
    ["CONTENT_POLICY", "PROVIDER_REJECTED", "SETTING_UNSUPPORTED", "PROVIDER_FEWER_IMAGES"];

/// The first place of a route that is doing well, or the first of all.
pub(crate) fn begin<'a>(route: &'a [Stop], health: &Health) -> Option<&'a Stop> {
    let well = route.iter().find(|stop| health.standing(&stop.deployment).is_available());
    well.or(route.first())
}

/// What an attempt says of its deployment; nothing when it failed for other reasons.
pub(crate) fn sign(report: &Report, delivered: bool) -> Option<Sign> {
    let (failure, until) = match report {
        Report::Complete => return Some(Sign::Worked),
        Report::Cancelled => return delivered.then_some(Sign::Worked),
        Report::Retry { cause, not_before, .. } => (cause, *not_before),
        Report::Failed(failure) => (failure, None),
    };
    let reason = failure.reason.clone();
    match reason.as_str() {
        "PROVIDER_RATE_LIMITED" => Some(Sign::Busy { until, reason }),
        fault if FAULTS.contains(&fault) => Some(Sign::Failed { reason }),
        answer if ANSWERS.contains(&answer) => Some(Sign::Worked),
        _ => delivered.then_some(Sign::Worked),
    }
}

/// Whether a sign that was seen on a user's own key concerns everybody else, too. A provider that does not answer does; what
/// it thinks of one user's account does not, and a success says nothing of the operator's.
pub(crate) fn concerns_all(sign: &Sign, standing: &Standing) -> bool {
    let is_the_accounts = |reason: &str| ACCOUNT.contains(&reason);
    match (sign, standing) {
        (Sign::Failed { reason }, _) => !is_the_accounts(reason),
        (Sign::Busy { .. }, _) => false,
        (Sign::Worked, Standing::Probing { reason }) => !is_the_accounts(reason),
        (Sign::Worked, _) => false,
    }
}

/// The next place after the present one, round the route, that is in the catalogue and doing well.
pub(crate) fn elsewhere<'a>(
    generation: &'a Generation,
    catalogue: &Catalogue,
    health: &Health,
) -> Option<&'a str> {
    let route = &generation.route;
    let here = route.iter().position(|stop| stop.deployment == generation.deployment)?;
    let others = route[here + 1..].iter().chain(&route[..here]).map(|stop| stop.deployment.as_str());
    others
        .into_iter()
        .find(|other| catalogue.deployment(other).is_some() && health.standing(other).is_available())
}
