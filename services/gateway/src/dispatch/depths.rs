//! How full each queue is: an estimate that every replica refreshes, for queue positions and for dispatch at create.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imagioo_runtime::Shutdown;

use crate::app::App;
use crate::catalogue::Deployment;
use crate::db::dispatch_users::{self, Depth};
use crate::instruments;

const REFRESH: Duration = Duration::from_millis(500);

/// How many generations may be dispatched or running for one that runs: enough that workers never wait for the dispatcher.
const WINDOW_FACTOR: i64 = 2;

/// The window of a deployment: generations that may be dispatched or running at once.
pub(crate) fn window(deployment: &Deployment) -> i64 {
    i64::from(deployment.concurrency) * WINDOW_FACTOR
}

/// The last look at every queue. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Depths(Arc<RwLock<HashMap<String, Depth>>>);

impl Depths {
    /// Whether a new generation may be dispatched without the dispatcher.
    pub(crate) fn has_room(&self, deployment: &Deployment) -> bool {
        self.read(&deployment.id)
            .is_none_or(|depth| depth.queued == 0 && depth.in_flight < window(deployment))
    }

    /// Whether the dispatcher has slots to give.
    pub(crate) fn has_slots(&self, deployment: &Deployment) -> bool {
        self.read(&deployment.id).is_none_or(|depth| depth.in_flight < window(deployment))
    }

    /// Generations that wait in a queue.
    pub(crate) fn queued(&self, queue: &str) -> i64 {
        self.read(queue).map_or(0, |depth| depth.queued)
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
    let queues: Vec<_> = app.catalogue.deployments().map(|deployment| deployment.id.clone()).collect();
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        match look(&app, &queues).await {
            Ok(depths) => app.depths.replace(depths),
            Err(error) => tracing::warn!(error = %error, "queue depths not read"),
        }
    }
}

async fn look(app: &App, queues: &[String]) -> Result<Vec<Depth>, sqlx::Error> {
    dispatch_users::depths(&mut *app.pool.acquire().await?, queues).await
}
