//! Reading generations and images: the caller's own, under row-level security.

use imagioo_rpc::{Caller, RpcError};
use imagioo_runtime::database::begin_as;
use imagioo_types::{GenerationId, ImageId};

use crate::app::App;
use crate::db::{self, USER_ROLE};
use crate::error::Error;
use crate::generation::{Generation, Image};

/// A generation with its images.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) generation: Generation,
    pub(crate) images: Vec<Image>,
}

/// The caller's generation with this id.
pub(crate) async fn get(app: &App, caller: &Caller, id: GenerationId) -> Result<Whole, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::generations::find_owned(&mut tx, owner, id).await?;
    let generation = found.ok_or_else(|| RpcError::not_found("generation"))?;
    let images = db::images::list_of(&mut tx, &[id.uuid()]).await?;
    tx.commit().await?;
    Ok(Whole { generation, images })
}

/// One page of the caller's generations, newest first; perhaps only the versions of one.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    versions_of: Option<GenerationId>,
    (before, limit): (Option<GenerationId>, i64),
) -> Result<Vec<Whole>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let generations = match versions_of {
        None => db::generations::list(&mut tx, owner, before, limit).await?,
        Some(one) => {
            let root = db::generations::find_root(&mut tx, owner, one).await?;
            let root = root.ok_or_else(|| RpcError::not_found("generation"))?;
            db::generations::list_versions(&mut tx, owner, root, (before, limit)).await?
        }
    };
    let ids: Vec<_> = generations.iter().map(|generation| generation.id.uuid()).collect();
    let images = db::images::list_of(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok(with_images(generations, images))
}

/// Those of these generations that are the caller's, oldest first.
pub(crate) async fn several(app: &App, caller: &Caller, ids: &[GenerationId]) -> Result<Vec<Whole>, Error> {
    let owner = caller.identity.user;
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let generations = db::generations::list_named(&mut tx, owner, &ids).await?;
    let images = db::images::list_of(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok(with_images(generations, images))
}

fn with_images(generations: Vec<Generation>, mut images: Vec<Image>) -> Vec<Whole> {
    let mut pages = Vec::with_capacity(generations.len());
    for generation in generations {
        let (own, rest) =
            images.into_iter().partition(|image: &Image| image.generation == Some(generation.id));
        images = rest;
        pages.push(Whole { generation, images: own });
    }
    pages
}

/// The caller's image with this id.
pub(crate) async fn image(app: &App, caller: &Caller, id: ImageId) -> Result<Image, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::images::find_owned(&mut tx, owner, id).await?;
    tx.commit().await?;
    found.ok_or_else(|| RpcError::not_found("image").into())
}

/// One page of the caller's images, newest first.
pub(crate) async fn images(
    app: &App,
    caller: &Caller,
    before: Option<ImageId>,
    limit: i64,
) -> Result<Vec<Image>, Error> {
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::images::list(&mut tx, owner, before, limit).await?;
    tx.commit().await?;
    Ok(found)
}
