//! Stopping in order: those who make work stop before those who finish it.

use std::time::Duration;

use imagioo_runtime::Shutdown;
use tokio::task::JoinSet;

/// A stage has no grace of its own: the process's grace period forces all of them.
const UNTIL_FORCED: Duration = Duration::from_secs(365 * 24 * 3600);

/// Services in the order in which they stop. Within the process each has its own stop signal.
pub(crate) struct Stages {
    process: Shutdown,
    stops: Vec<Shutdown>,
    running: JoinSet<anyhow::Result<()>>,
}

impl Stages {
    pub(crate) fn new(process: &Shutdown) -> Self {
        Self { process: process.clone(), stops: Vec::new(), running: JoinSet::new() }
    }

    /// Adds a service that stops after all services added before it.
    pub(crate) fn add<F>(&mut self, start: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = Shutdown::new(UNTIL_FORCED);
        self.running.spawn(start(stop.clone()));
        self.stops.push(stop);
    }

    /// Runs until the process is asked to stop or a service fails, then stops every stage in turn.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = self.process.requested() => Ok(()),
            Some(ended) = self.running.join_next() => ended.map_err(anyhow::Error::from).flatten(),
        };
        self.process.request();
        for stop in &self.stops {
            stop.request();
            tokio::select! {
                () = stop.drained() => {}
                () = self.process.forced() => stop.force(),
            }
        }
        while let Some(ended) = self.running.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).flatten() {
                tracing::warn!(error = format!("{error:#}"), "a service ended badly while stopping");
            }
        }
        failed
    }
}
