//! What a provider thinks of a user's key: noted on the key, and said to its owner with what to do.

use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::generation::{Failure, Generation};
use crate::generations::outcome::Report;
use crate::provider_key::RejectReason;

/// Takes in what an attempt on its owner's key says of that key: a rejected one is not used again until it is set anew.
pub(crate) async fn heed(app: &App, generation: &Generation, report: Report) -> Result<Report, Error> {
    let Report::Failed(said) = &report else { return Ok(report) };
    let Some(reason) = reason(&said.reason) else { return Ok(report) };
    let catalogue = app.catalogue();
    let provider = catalogue.deployment(&generation.deployment).map_or("", |place| place.provider.as_str());
    if let Some(key) = generation.provider_key {
        let mut conn = app.pool.acquire().await?;
        if db::provider_keys::reject(&mut conn, key, reason).await? {
            tracing::info!(user = %generation.owner, provider, reason = reason.as_str(), "own key rejected");
        }
    }
    Ok(Report::Failed(failure(reason, provider)))
}

/// The failure of a generation whose owner's key is not taken.
pub(crate) fn failure(reason: RejectReason, provider: &str) -> Failure {
    match reason {
        RejectReason::Refused => {
            let message = format!("your own key for {provider} was refused: set a new one");
            Failure::new(REFUSED, &message)
        }
        RejectReason::Exhausted => {
            let message = format!(
                "the account behind your own key for {provider} is out of credit: top it up there and set the key again"
            );
            Failure::new(EXHAUSTED, &message)
        }
    }
}

const REFUSED: &str = "OWN_KEY_REFUSED";
const EXHAUSTED: &str = "OWN_KEY_EXHAUSTED";

/// Of these reasons a worker gives one when a provider did not take the key.
fn reason(of: &str) -> Option<RejectReason> {
    match of {
        REFUSED => Some(RejectReason::Refused),
        EXHAUSTED => Some(RejectReason::Exhausted),
        _ => None,
    }
}
