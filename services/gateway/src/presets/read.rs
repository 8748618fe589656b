//! Reading presets: the caller's own and the shared ones, under row-level security.

use imagioo_rpc::{Caller, RpcError};
use imagioo_runtime::database::begin_as;

use crate::app::App;
use crate::db::USER_ROLE;
use crate::db::presets::{self, Filter, Place};
use crate::error::Error;
use crate::preset::{Preset, PresetName, Shelf};

/// The preset with this name; a deleted one by a version only.
pub(crate) async fn get(app: &App, caller: &Caller, name: &PresetName) -> Result<Preset, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = presets::find(&mut tx, name.shelf(owner), &name.slug, name.version).await?;
    tx.commit().await?;
    shown(name, found)
}

/// The same for an operator, who sees shared ones only.
pub(crate) async fn get_shared(app: &App, name: &PresetName) -> Result<Preset, Error> {
    let mut conn = app.pool.acquire().await?;
    let found = presets::find(&mut conn, Shelf::Shared, &name.slug, name.version).await?;
    shown(name, found.filter(|_| name.shared))
}

fn shown(name: &PresetName, found: Option<Preset>) -> Result<Preset, Error> {
    let found = found.filter(|preset| preset.deleted_at.is_none() || name.version.is_some());
    found.ok_or_else(|| RpcError::not_found("preset").into())
}

/// One page of the caller's presets and the shared ones.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    page: (Option<Place>, i64),
) -> Result<Vec<Preset>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = presets::list(&mut tx, Some(owner), filter, page).await?;
    tx.commit().await?;
    Ok(found)
}

/// One page of the shared presets.
pub(crate) async fn list_shared(app: &App, page: (Option<Place>, i64)) -> Result<Vec<Preset>, Error> {
    let mut conn = app.pool.acquire().await?;
    Ok(presets::list(&mut conn, None, &Filter::default(), page).await?)
}
