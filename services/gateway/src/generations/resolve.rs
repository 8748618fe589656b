//! What became of the generation behind an old hold.

use imagioo_types::{Credits, GenerationId, UserId};

use crate::app::App;
use crate::db;
use crate::error::Error;

/// What billing is to do with a hold that nobody settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The generation has not ended.
    Alive,
    /// It ended and costs this much.
    Settled(Credits),
    /// It never existed, and from now on it cannot.
    Unknown,
}

/// Resolves a hold. An id that nothing has is taken by a tombstone first, so that a late insert fails.
pub(crate) async fn resolve(app: &App, id: GenerationId, owner: UserId) -> Result<Resolution, Error> {
    let mut conn = app.pool.acquire().await?;
    if let Some(generation) = db::generations::find(&mut conn, id).await? {
        let ended = generation.state.is_final().then_some(generation.charge).flatten();
        return Ok(ended.map_or(Resolution::Alive, Resolution::Settled));
    }
    if db::generations::tombstone::insert(&mut conn, id, owner).await? {
        tracing::warn!(generation = %id, "hold without a generation, tombstone written");
        return Ok(Resolution::Unknown);
    }
    let appeared = db::generations::find(&mut conn, id).await?.is_some();
    Ok(if appeared { Resolution::Alive } else { Resolution::Unknown })
}
