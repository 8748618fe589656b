//! The sweeper: finds hints that were lost, leases that lapsed and deadlines that passed.

use imagioo_proto::jobs::v1::{CancelUpstream, GenerationReady};
use imagioo_runtime::Shutdown;
use imagioo_types::GenerationId;
use time::Duration;
use tracing::Instrument as _;

use crate::app::App;
use crate::db;
use crate::db::generations::settle::Provided;
use crate::db::generations::sweep::{self, Lapsed, Overdue};
use crate::dispatch::offers::{self, Offer};
use crate::error::Error;
use crate::generation::{Failure, Generation, State};
use crate::generations::finish::{self, Finished};
use crate::trace;

/// How long a worker may take from a deadline to its manifest: to stop the provider, and to state what was delivered, also
/// to a store that is slow.
const LAST_WORD: Duration = Duration::seconds(60);
/// Rows of one kind in one sweep.
const BATCH: i64 = 500;

/// Sweeps until shutdown.
pub(crate) async fn run(app: App, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(app.config.timing.sweep());
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "sweep failed, the next one tries again"
            );
        }
    }
}

/// What a start finds of an earlier life: every lease is void and every hint is lost.
pub(crate) async fn recover(app: &App) -> Result<(), Error> {
    let mut conn = app.pool.acquire().await?;
    let voided = sweep::void_leases(&mut conn).await?;
    let mut returned = 0;
    loop {
        match sweep::requeue_unstarted(&mut conn, None, Duration::ZERO, BATCH).await? {
            0 => break,
            more => returned += more,
        }
    }
    if voided + returned > 0 {
        tracing::info!(voided, returned, "unfinished generations go on");
    }
    Ok(())
}

/// One sweep.
pub(crate) async fn sweep(app: &App) -> Result<(), Error> {
    let mut conn = app.pool.acquire().await?;
    let returned = sweep::requeue_unstarted(&mut conn, None, app.config.timing.unstarted(), BATCH).await?;
    if returned > 0 {
        tracing::warn!(returned, "no worker took these generations in time, they wait again");
        app.turns.notify_one();
    }
    let lapsed = sweep::lapsed_leases(&mut conn, BATCH).await?;
    let overdue = sweep::overdue(&mut conn, LAST_WORD, BATCH).await?;
    drop(conn);
    for generation in lapsed {
        let (id, span) = (generation.id, trace::go_on("take over", generation.trace.as_deref()));
        go_on(id, take_over(app, generation).instrument(span).await);
    }
    for Overdue { id, trace } in overdue {
        let span = trace::go_on("end overdue", trace.as_deref());
        go_on(id, end_overdue(app, id).instrument(span).await);
    }
    Ok(())
}

/// What cannot be done about one generation must not keep the others waiting; the next sweep tries again.
fn go_on(id: GenerationId, done: Result<(), Error>) {
    if let Err(error) = done {
        tracing::warn!(generation = %id, error = &error as &dyn std::error::Error, "generation not swept");
    }
}

/// Offers a generation whose worker went silent to another one, a bounded number of times.
async fn take_over(app: &App, lapsed: Lapsed) -> Result<(), Error> {
    if finish::finish(app, lapsed.id, lapsed.attempt).await? != Finished::NoManifest {
        return Ok(());
    }
    if lapsed.epoch > app.config.retries.takeovers {
        let failure =
            Failure::new("WORKER_LOST", "the workers that took this kept failing; nothing was charged");
        let provided = Provided::Lapsed { epoch: lapsed.epoch };
        return finish::fail(app, (lapsed.id, lapsed.attempt), failure, provided).await;
    }
    tracing::warn!(generation = %lapsed.id, epoch = lapsed.epoch, "lease lapsed, offering a takeover");
    let ready = GenerationReady { generation: lapsed.id.name(), attempt: lapsed.attempt };
    let offer = Offer { deployment: lapsed.deployment, ready, trace: lapsed.trace };
    offers::make(&app.queue, &offer).await;
    Ok(())
}

/// Ends a generation that is past its deadline, unless its attempt has left a manifest.
async fn end_overdue(app: &App, id: GenerationId) -> Result<(), Error> {
    let Some(generation) = load(app, id).await? else { return Ok(()) };
    if finish::finish(app, id, generation.attempt).await? != Finished::NoManifest {
        return Ok(());
    }
    if generation.state == State::Running {
        app.queue.hint(&CancelUpstream { generation: id.name(), attempt: generation.attempt }).await;
    }
    let (failure, provided) = if generation.started_at.is_none() {
        let failure = "no worker was free in time; nothing was charged";
        (Failure::new("START_DEADLINE_EXCEEDED", failure), Provided::NotRunning)
    } else {
        (Failure::new("DEADLINE_EXCEEDED", "it took too long; nothing was charged"), Provided::Open)
    };
    finish::fail(app, (id, generation.attempt), failure, provided).await
}

async fn load(app: &App, id: GenerationId) -> Result<Option<Generation>, Error> {
    Ok(db::generations::find(&mut *app.pool.acquire().await?, id).await?)
}
