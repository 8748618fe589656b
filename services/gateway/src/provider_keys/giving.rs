//! Giving a worker the key that its job runs on.

use imagioo_seal::SealError;
use secrecy::SecretString;

use super::verdict;
use crate::app::App;
use crate::db;
use crate::db::generations::start::Started;
use crate::error::Error;
use crate::generation::Failure;
use crate::provider_key;

/// The owner's key for a job that was just started, if it runs on that, or why it cannot go on. Within an attempt no key
/// takes another's place: what one bought at a provider the other would not find there.
pub(crate) async fn open(
    app: &App,
    started: &Started,
    provider: &str,
) -> Result<Result<Option<SecretString>, Failure>, Error> {
    if !started.own_key {
        return Ok(Ok(None));
    }
    let mut conn = app.pool.acquire().await?;
    let found = db::provider_keys::find_sealed(&mut conn, started.owner, provider).await?;
    let Some((key, sealed)) = found else { return Ok(Err(gone(provider))) };
    if let Some((reason, _)) = key.rejected {
        return Ok(Err(verdict::failure(reason, provider)));
    }
    let lease = (started.generation, started.attempt, started.epoch);
    let earlier = db::provider_keys::hand_out(&mut conn, lease, key.id).await?;
    if started.epoch > 1 && earlier.is_some_and(|earlier| earlier != key.id) {
        return Ok(Err(gone(provider)));
    }
    let opened = provider_key::open(&app.sealer, (started.owner, provider), &sealed);
    Ok(opened.map(Some).map_err(|error| unreadable(started, provider, error)))
}

fn gone(provider: &str) -> Failure {
    let message = format!(
        "your own key for {provider} was replaced or deleted while this waited or ran; nothing was charged: create it again"
    );
    Failure::new("OWN_KEY_GONE", &message)
}

fn unreadable(started: &Started, provider: &str, error: SealError) -> Failure {
    tracing::error!(
        user = %started.owner,
        provider,
        error = &error as &dyn std::error::Error,
        "own key cannot be opened"
    );
    let message =
        format!("your own key for {provider} cannot be read any more; nothing was charged: set it again");
    Failure::new("OWN_KEY_UNREADABLE", &message)
}
