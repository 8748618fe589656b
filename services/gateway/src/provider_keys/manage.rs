//! What users do with their keys: set, list, delete.

use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_runtime::database::begin_as;
use secrecy::SecretString;
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::Catalogue;
use crate::db::{self, USER_ROLE};
use crate::error::Error;
use crate::provider_key::{self, KeyId, ProviderKey};

/// Keeps a key of the caller in place of the one before it.
pub(crate) async fn set(
    app: &App,
    caller: &Caller,
    provider: &str,
    key: &SecretString,
) -> Result<ProviderKey, Error> {
    check(&app.catalogue(), provider)?;
    let owner = caller.identity.user;
    let sealed = provider_key::seal(&app.sealer, (owner, provider), key).map_err(RpcError::internal)?;
    let (id, hint) = (KeyId(Uuid::now_v7()), provider_key::hint(key));
    let mut conn = app.pool.acquire().await?;
    let kept = db::provider_keys::put(&mut conn, (id, owner), (provider, &hint), &sealed).await?;
    tracing::info!(user = %owner, provider, "own key set");
    Ok(kept)
}

/// The caller's keys, by provider.
pub(crate) async fn list(app: &App, caller: &Caller) -> Result<Vec<ProviderKey>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::provider_keys::list(&mut tx, owner).await?;
    tx.commit().await?;
    Ok(found)
}

/// Forgets the caller's key for a provider.
pub(crate) async fn delete(app: &App, caller: &Caller, provider: &str) -> Result<(), Error> {
    let owner = caller.identity.user;
    if !db::provider_keys::delete(&mut *app.pool.acquire().await?, owner, provider).await? {
        return Err(RpcError::not_found("provider key").into());
    }
    tracing::info!(user = %owner, provider, "own key deleted");
    Ok(())
}

fn check(catalogue: &Catalogue, provider: &str) -> Result<(), RpcError> {
    if catalogue.own_keys.contains_key(provider) {
        return Ok(());
    }
    let names: Vec<_> = catalogue.own_keys.keys().map(String::as_str).collect();
    let what = match names.as_slice() {
        [] => "no provider takes keys of users here".to_owned(),
        names => format!("must be one of {}", names.join(", ")),
    };
    Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields").field("provider", what))
}
