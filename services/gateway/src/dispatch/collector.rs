//! The collector: removes objects of ended generations, and uploads, that no image row names.

use futures::StreamExt as _;
use imagioo_runtime::Shutdown;
use imagioo_storage::{KeyPrefix, ObjectKey};
use imagioo_types::GenerationId;
use time::Duration;

use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::instruments;

/// How long after a generation's end its leftovers stay, for whoever investigates and for writers that wake up late.
const GRACE: Duration = Duration::hours(24);
const BATCH: usize = 500;

/// Collects until shutdown.
pub(crate) async fn run(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(app.config.timing.collect());
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        match collect(&app).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "orphaned objects removed"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "collection failed, the next one tries again",
            ),
        }
    }
}

/// Removes every object that is old enough, whose generation has ended long enough ago, and that nothing names.
pub(crate) async fn collect(app: &App) -> Result<usize, Error> {
    let before = app.clock.now() - GRACE;
    let mut removed = 0;
    let mut old = app
        .storage
        .list(KeyPrefix::Everything)
        .filter_map(async |listed| match listed {
            Ok(listed) if listed.head.last_modified < before => Some(Ok(listed.key)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .boxed()
        .chunks(BATCH);
    while let Some(chunk) = old.next().await {
        let keys = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
        for key in orphans(app, keys).await? {
            app.storage.delete(&key).await?;
            removed += 1;
        }
    }
    instruments::orphans_removed(removed);
    Ok(removed)
}

async fn orphans(app: &App, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>, Error> {
    let mut conn = app.pool.acquire().await?;
    let names: Vec<_> = keys.iter().map(ToString::to_string).collect();
    let generation = |key: &ObjectKey| key.attempt().map(|(generation, _)| generation);
    let generations: Vec<_> = keys.iter().filter_map(generation).map(GenerationId::uuid).collect();
    let named = db::images::named_keys(&mut conn, &names).await?;
    let kept = db::generations::sweep::not_long_ended(&mut conn, &generations, GRACE).await?;
    Ok(keys
        .into_iter()
        .zip(names)
        .filter(|(key, name)| {
            let kept = generation(key).is_some_and(|generation| kept.contains(&generation));
            !named.contains(name) && !kept
        })
        .map(|(key, _)| key)
        .collect())
}
