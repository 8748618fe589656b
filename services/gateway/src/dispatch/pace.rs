//! How long generations run at each deployment: measured by every replica, shared through the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use imagioo_runtime::Shutdown;

use crate::app::App;
use crate::db::run_times::{self, RunTimes};

/// Measured run times are shared, and everybody's read, this often.
const EXCHANGE: Duration = Duration::from_secs(5);
/// The last so many of a deployment count.
pub(crate) const LAST: i64 = 200;
/// Fewer say nothing.
const FEWEST: i32 = 5;

/// What is known of run times. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<Parts>);

/// See [`Pace`].
#[derive(Debug, Default)]
struct Parts {
    known: RwLock<HashMap<String, RunTimes>>,
    measured: Mutex<HashMap<String, Vec<f64>>>,
}

impl Pace {
    /// Notes that a generation ran for so many seconds.
    pub(crate) fn note(&self, deployment: &str, seconds: f64) {
        let mut measured = self.0.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let times = measured.entry(deployment.to_owned()).or_default();
        // More than count are no news.
        if times.len() < LAST as usize {
            times.push(seconds);
        }
    }

    /// How long the last ones ran; nothing while there are too few.
    pub(crate) fn of(&self, deployment: &str) -> Option<RunTimes> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(deployment).filter(|times| times.samples >= FEWEST).cloned()
    }

    fn take(&self) -> HashMap<String, Vec<f64>> {
        std::mem::take(&mut self.0.measured.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn(&self, times: Vec<RunTimes>) {
        let fresh = times.into_iter().map(|times| (times.deployment.clone(), times)).collect();
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

/// Tells and learns until shutdown. What was measured in the last moment before it is lost, and missed by nobody.
pub(crate) async fn keep_fresh(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(EXCHANGE);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = exchange(&app).await {
            tracing::warn!(error = %error, "run times not exchanged");
        }
    }
}

async fn exchange(app: &App) -> Result<(), sqlx::Error> {
    let measured = app.pace.take();
    let mut conn = app.pool.acquire().await?;
    if !measured.is_empty() {
        let rows: Vec<_> = measured
            .iter()
            .flat_map(|(deployment, times)| times.iter().map(|seconds| (deployment.clone(), *seconds)))
            .collect();
        run_times::add(&mut conn, rows).await?;
        let deployments: Vec<_> = measured.into_keys().collect();
        run_times::forget_all_but(&mut conn, &deployments, LAST).await?;
    }
    let deployments: Vec<_> = app.catalogue().deployments().map(|deployment| deployment.id.clone()).collect();
    app.pace.learn(run_times::of(&mut conn, &deployments, LAST).await?);
    Ok(())
}
