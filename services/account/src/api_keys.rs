//! API keys: create, list, revoke, and exchange for an access token.

use std::time::Duration;

use fail::fail_point;
use imagioo_rpc::Subject;
use imagioo_runtime::database::begin_as;
use imagioo_types::{ApiKeyId, Credential, Identity, UserId};
use time::OffsetDateTime;

use crate::access::AccessToken;
use crate::app::{App, USER_ROLE};
use crate::credential::ApiKeySecret;
use crate::db;
use crate::db::api_keys::{ApiKeyRow, NewApiKey, StoredApiKey};
use crate::deny_list;
use crate::errors::AccountError;

/// One page of a person's keys.
pub(crate) struct Page {
    pub(crate) keys: Vec<ApiKeyRow>,
    /// The last key of the page when more follow.
    pub(crate) next: Option<ApiKeyId>,
}

/// Creates a key. Only a signed-in person can: a stolen key must not outlive its own revocation through another one.
///
/// # Errors
/// [`AccountError::SessionNeeded`], [`AccountError::ExpiryPast`].
pub(crate) async fn create(
    app: &App,
    caller: &Identity,
    display_name: &str,
    expires_at: Option<OffsetDateTime>,
) -> Result<(ApiKeyRow, ApiKeySecret), AccountError> {
    if !matches!(caller.credential, Credential::Session(_)) {
        return Err(AccountError::SessionNeeded);
    }
    let secret = ApiKeySecret::generate(ApiKeyId::generate())?;
    let mut transaction = begin_as(&app.pool, USER_ROLE, caller.user).await?;
    let key = NewApiKey { owner: caller.user, secret: &secret, display_name, expires_at };
    let row = db::api_keys::insert(&mut transaction, key).await?.ok_or(AccountError::ExpiryPast)?;
    fail_point!("account.key.before_commit");
    transaction.commit().await?;
    fail_point!("account.key.after_commit");
    tracing::info!(user = %caller.user, key = %row.id, "API key created");
    Ok((row, secret))
}

/// Up to `size` keys of a person, newest first, that are older than `before`.
///
/// # Errors
/// [`AccountError::Database`].
pub(crate) async fn list(
    app: &App,
    user: UserId,
    before: Option<ApiKeyId>,
    size: i64,
) -> Result<Page, AccountError> {
    let mut transaction = begin_as(&app.pool, USER_ROLE, user).await?;
    let mut keys = db::api_keys::list(&mut transaction, user, before, size + 1).await?;
    transaction.commit().await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = keys.len() > size;
    keys.truncate(size);
    let next = keys.last().filter(|_| more).map(|key| key.id);
    Ok(Page { keys, next })
}

/// Stops a key for good. Repeating it changes nothing.
///
/// # Errors
/// [`AccountError::NoSuchApiKey`], also for the key of somebody else.
pub(crate) async fn revoke(app: &App, user: UserId, id: ApiKeyId) -> Result<ApiKeyRow, AccountError> {
    let mut transaction = begin_as(&app.pool, USER_ROLE, user).await?;
    let Some(revoked) = db::api_keys::revoke(&mut transaction, user, id).await? else {
        let row = db::api_keys::get(&mut transaction, user, id).await?;
        return row.ok_or(AccountError::NoSuchApiKey);
    };
    deny_list::add(app, &mut transaction, user, Subject::ApiKey(id)).await?;
    transaction.commit().await?;
    app.revoked.notify_one();
    tracing::info!(user = %user, key = %id, "API key revoked");
    Ok(revoked)
}

/// A short access token for whoever holds a key.
///
/// # Errors
/// [`AccountError::ApiKeyInvalid`] for a key that is malformed, unknown, revoked or past its time.
pub(crate) async fn exchange(app: &App, presented: &str) -> Result<AccessToken, AccountError> {
    let secret = ApiKeySecret::parse(presented).ok_or(AccountError::ApiKeyInvalid)?;
    fail_point!("account.exchange.before");
    let mut connection = app.pool.acquire().await?;
    let stored = db::api_keys::stored(&mut connection, secret.id)
        .await?
        .filter(|stored| works(stored, &secret))
        .ok_or(AccountError::ApiKeyInvalid)?;
    if stored.use_outdated {
        db::api_keys::note_use(&mut connection, secret.id).await?;
    }
    fail_point!("account.exchange.after");
    let remaining = stored.remaining.unwrap_or(Duration::MAX);
    app.issuer.issue(stored.owner, Credential::ApiKey(secret.id), remaining)
}

fn works(stored: &StoredApiKey, presented: &ApiKeySecret) -> bool {
    let over = stored.remaining.is_some_and(|remaining| remaining.is_zero());
    presented.matches(&stored.secret_hash) && !stored.revoked && !over
}
