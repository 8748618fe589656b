//! Leases of workers: taking a generation, keeping it, recording what was bought.

use fail::fail_point;
use imagioo_rpc::{Code, RpcError};
use imagioo_types::GenerationId;
use secrecy::SecretString;

use crate::app::App;
use crate::catalogue::Deployment;
use crate::db;
use crate::db::calls::Call;
use crate::db::generations::lease::Lease;
use crate::db::generations::settle::Provided;
use crate::db::generations::start::{Claim, Started};
use crate::error::Error;
use crate::generation::Failure;
use crate::generations::finish::{self, Finished};
use crate::provider_keys::giving;

/// A given lease and what earlier epochs of the attempt bought.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) started: Started,
    pub(crate) calls: Vec<Call>,
    pub(crate) deployment: Deployment,
    /// The owner's key, if it runs on that.
    pub(crate) own_key: Option<SecretString>,
}

/// Takes a generation for a worker; nothing when there is nothing to do.
pub(crate) async fn start(app: &App, claim: Claim) -> Result<Option<Taken>, Error> {
    let Some(started) = app.hot.start(claim).await? else { return Ok(None) };
    if started.hooked {
        app.webhooks.wake.notify_one();
    }
    let calls = if started.epoch > 1 || started.again {
        let mut conn = app.pool.acquire().await?;
        db::calls::list(&mut conn, &[started.generation.uuid()], &[started.attempt]).await?
    } else {
        Vec::new()
    };
    let this = (started.generation, started.attempt);
    let Some(deployment) = app.catalogue().deployment(&started.deployment).cloned() else {
        if is_unfinished(app, this).await? {
            finish::give_back(app, this, gone(&started.deployment), !calls.is_empty()).await?;
        }
        return Ok(None);
    };
    let own_key = match giving::open(app, &started, &deployment.provider).await? {
        Ok(key) => key,
        Err(failure) => {
            if is_unfinished(app, this).await? {
                finish::fail(app, this, failure, Provided::Open).await?;
            }
            return Ok(None);
        }
    };
    app.changed(started.owner, started.generation, started.version).await;
    Ok(Some(Taken { started, calls, deployment, own_key }))
}

/// Whether an attempt has no outcome, also none that an earlier worker left.
async fn is_unfinished(app: &App, (id, attempt): (GenerationId, i32)) -> Result<bool, Error> {
    Ok(finish::finish(app, id, attempt).await? == Finished::NoManifest)
}

/// A deployment that this replica's catalogue has no longer, or not yet.
fn gone(deployment: &str) -> Failure {
    tracing::warn!(deployment, "a generation is for a deployment that is not in the catalogue");
    Failure::new(
        "DEPLOYMENT_GONE",
        "where this was to be made is no longer offered; nothing was charged: create it again",
    )
}

/// What became of a worker's leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Renewal {
    pub(crate) lost: Vec<GenerationId>,
    pub(crate) cancelled: Vec<GenerationId>,
}

/// Renews a worker's leases.
pub(crate) async fn renew(app: &App, worker: &str, leases: &[Lease]) -> Result<Renewal, Error> {
    let mut conn = app.pool.acquire().await?;
    fail_point!("gateway.renew.before_commit");
    let renewed = db::generations::lease::renew(&mut conn, worker, leases, app.config.timing.lease()).await?;
    let kept: std::collections::HashSet<_> = renewed.iter().map(|lease| lease.generation).collect();
    Ok(Renewal {
        lost: leases.iter().map(|lease| lease.generation).filter(|id| !kept.contains(id)).collect(),
        cancelled: renewed
            .iter()
            .filter(|lease| lease.cancel_requested)
            .map(|lease| lease.generation)
            .collect(),
    })
}

/// Records a provider call, or the intent of one, under a lease that still stands.
pub(crate) async fn record(app: &App, lease: Lease, call: i32, task_id: &str) -> Result<(), Error> {
    let mut conn = app.pool.acquire().await?;
    let recorded = db::calls::record(&mut conn, lease, call, task_id).await?;
    fail_point!("gateway.record.after_commit");
    if recorded {
        return Ok(());
    }
    Err(RpcError::new(Code::LeaseLost, "the generation is no longer this worker's: stop").into())
}
