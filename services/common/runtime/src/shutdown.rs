//! Stops a process softly first, then hard.
//!
//! The first signal asks: consumers stop, listeners close, started work is finished or handed back. The
//! second signal, or the end of the grace period, forces: every task is dropped where it stands.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long a process may take to stop: the section `[shutdown]`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// Seconds between the first signal and dropping what is unfinished.
    pub grace_seconds: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { grace_seconds: 25 }
    }
}

/// The stop of a process, and the tasks it waits for. Clones share one state.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<State>);

#[derive(Debug)]
struct State {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    grace: Duration,
}

impl Shutdown {
    /// A process that is not stopping yet, with this much time between asking and forcing.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self(Arc::new(State {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            tasks: TaskTracker::new(),
            grace,
        }))
    }

    /// Listens to SIGINT and SIGTERM: the first one requests, the second one forces.
    pub fn on_signals(&self) {
        let (Ok(mut interrupts), Ok(mut terminations)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::error!("signals cannot be received");
            return;
        };
        let shutdown = self.clone();
        self.attend("signals", async move {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if shutdown.is_requested() {
                    tracing::warn!("second signal, dropping unfinished work");
                    shutdown.force();
                } else {
                    tracing::info!(grace = ?shutdown.0.grace, "signal received, stopping");
                    shutdown.request();
                }
            }
        });
    }

    /// Asks everything to stop and starts the grace period. Repeating it changes nothing.
    ///
    /// Must be called inside a tokio runtime.
    pub fn request(&self) {
        if self.is_requested() {
            return;
        }
        self.0.soft.cancel();
        let shutdown = self.clone();
        self.attend("grace period", async move {
            tokio::time::sleep(shutdown.0.grace).await;
            shutdown.force();
        });
    }

    /// Ends the grace period now.
    pub fn force(&self) {
        self.0.soft.cancel();
        self.0.hard.cancel();
    }

    /// Waits until a stop was asked for.
    pub async fn requested(&self) {
        self.0.soft.cancelled().await;
    }

    /// Waits until unfinished work must be dropped.
    pub async fn forced(&self) {
        self.0.hard.cancelled().await;
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.soft.is_cancelled()
    }

    /// Whether unfinished work must be dropped.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.0.hard.is_cancelled()
    }

    /// Runs a task that [`Self::drained`] waits for. It is dropped when the stop is forced; its panic is
    /// logged.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(self.guarded(task).instrument(tracing::info_span!("task", task = name)));
    }

    /// Runs a task that serves others until the very end, such as the metrics port; nobody waits for it.
    pub fn attend(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        // Nobody's child: a span stays open, and unsent, as long as one beneath it does.
        let span = tracing::info_span!(parent: None, "task", task = name);
        #[expect(clippy::disallowed_methods, reason = "waiting for it would wait for the process's own end")]
        drop(tokio::spawn(self.guarded(task).instrument(span)));
    }

    /// Waits until every spawned task has ended, or the stop is forced.
    pub async fn drained(&self) {
        self.0.tasks.close();
        tokio::select! {
            () = self.0.tasks.wait() => {}
            () = self.forced() => {}
        }
    }

    fn guarded(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let hard = self.0.hard.clone();
        async move {
            let outcome = tokio::select! {
                outcome = AssertUnwindSafe(task).catch_unwind() => outcome,
                () = hard.cancelled() => return tracing::debug!("task dropped"),
            };
            if let Err(panic) = outcome {
                tracing::error!(reason = constant_message(&*panic), "task panicked");
            }
        }
    }
}

/// The message of a panic when it is a constant. A formatted one may carry what a log must not hold.
fn constant_message(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("withheld, see the location")
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_request_lets_started_work_finish() {
        let shutdown = Shutdown::new(LONG);
        let (finished, outcome) = oneshot::channel();
        let seen = shutdown.clone();
        shutdown.spawn("worker", async move {
            seen.requested().await;
            finished.send("handed back").expect("the test waits");
        });
        shutdown.request();
        shutdown.drained().await;
        assert_eq!(outcome.await.expect("the task ended"), "handed back");
        assert!(!shutdown.is_forced());
    }

    #[tokio::test]
    async fn the_end_of_the_grace_period_drops_what_is_unfinished() {
        let shutdown = Shutdown::new(Duration::from_millis(1));
        let (held, dropped) = oneshot::channel::<()>();
        shutdown.spawn("stuck", async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        shutdown.request();
        shutdown.drained().await;
        assert!(shutdown.is_forced());
        assert!(dropped.await.is_err(), "the task's values are dropped");
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_forces() {
        let shutdown = Shutdown::new(LONG);
        shutdown.on_signals();
        raise(Signal::SIGTERM).expect("our own process");
        shutdown.requested().await;
        assert!(!shutdown.is_forced());
        raise(Signal::SIGINT).expect("our own process");
        shutdown.forced().await;
    }

    #[tokio::test]
    async fn force_also_requests() {
        let shutdown = Shutdown::new(LONG);
        shutdown.force();
        shutdown.requested().await;
        shutdown.forced().await;
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_only() {
        let shutdown = Shutdown::new(LONG);
        shutdown.spawn("broken", async { panic!("on purpose") });
        shutdown.drained().await;
        assert!(!shutdown.is_requested());
    }

    #[test]
    fn a_formatted_panic_message_is_withheld() {
        let constant: Box<dyn Any + Send> = Box::new("constant");
        let formatted: Box<dyn Any + Send> = Box::new(String::from("prompt: a cat"));
        assert_eq!(constant_message(&*constant), "constant");
        assert!(!constant_message(&*formatted).contains("prompt"));
    }

    #[tokio::test]
    async fn an_attending_task_is_not_waited_for() {
        let shutdown = Shutdown::new(LONG);
        shutdown.attend("ops", std::future::pending());
        shutdown.drained().await;
        assert!(!shutdown.is_requested());
    }
}
