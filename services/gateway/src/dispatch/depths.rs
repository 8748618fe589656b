//! How full each queue is: an estimate that every replica refreshes, for dispatch at create.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imagioo_runtime::Shutdown;

use crate::app::App;
use crate::db::dispatch_users::{self, Depth};
use crate::instruments;

const REFRESH: Duration = Duration::from_millis(500);

/// The last look at every queue. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Depths(Arc<RwLock<HashMap<String, Depth>>>);

impl Depths {
    /// Whether a new generation may be dispatched without the dispatcher, to a queue with such a window.
    pub(crate) fn has_room(&self, queue: &str, window: i64) -> bool {
        self.read(queue).map_or(window > 0, |depth| depth.queued == 0 && depth.in_flight < window)
    }

    /// Whether the dispatcher has slots to give.
    pub(crate) fn has_slots(&self, queue: &str, window: i64) -> bool {
        self.read(queue).map_or(window > 0, |depth| depth.in_flight < window)
    }

    fn read(&self, queue: &str) -> Option<Depth> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(queue).cloned()
    }

    fn replace(&self, depths: Vec<Depth>) {
        for depth in &depths {
            instruments::depth(depth);
        }
        let fresh = depths.into_iter().map(|depth| (depth.queue.clone(), depth)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

/// Looks again and again until shutdown.
pub(crate) async fn keep_fresh(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        let queues: Vec<_> = app.catalogue().deployments().map(|deployment| deployment.id.clone()).collect();
        match look(&app, &queues).await {
            Ok(depths) => app.depths.replace(depths),
            Err(error) => tracing::warn!(error = %error, "queue depths not read"),
        }
    }
}

async fn look(app: &App, queues: &[String]) -> Result<Vec<Depth>, sqlx::Error> {
    dispatch_users::depths(&mut *app.pool.acquire().await?, queues).await
}
