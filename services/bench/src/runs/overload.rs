//! M5: completed generations per second while twice as many arrive as can be completed, without waiting for one another.
//!
//! What is refused must say why, and what is accepted must be made, however late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_stack::User;
use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::saturation::{completed, load, open_database};
use crate::load::arrivals::arrive;
use crate::load::crowd;
use crate::load::submitter::{Accepted, wanted};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Sink};

/// Times what can be completed.
const FACTOR: f64 = 2.0;
/// Beyond what draining takes at the usual rate, twice.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// What was completed before, and under overload.
#[derive(Debug, Serialize)]
pub(crate) struct Overload {
    /// Per second in closed loops, as in M4.
    pub(crate) usual: f64,
    /// Per second while twice as many arrived.
    pub(crate) completed: f64,
    /// Submits in the open loop.
    pub(crate) arrived: usize,
    /// Of these, how many were accepted. All of them have ended well.
    pub(crate) accepted: usize,
    /// Refusals by their code; each said why.
    pub(crate) refused: BTreeMap<String, usize>,
}

/// Runs both halves on a stack of their own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Overload> {
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    Place::during(&Setting::working(&provider, &sink), async |place| {
        let users = crowd::gather(place, plan.users).await?;
        let mut database = open_database(place).await?;
        let usual = usual(plan, &users, &sink, &mut database).await?;
        overload(plan, &users, usual, &mut database).await
    })
    .await
}

async fn usual(
    plan: &Plan,
    users: &Arc<[User]>,
    sink: &Sink,
    database: &mut PgConnection,
) -> anyhow::Result<f64> {
    let measure = async {
        sleep(plan.saturation.0).await;
        rate(database, plan.open).await
    };
    let accepted = Accepted::default();
    let load = load(users, sink, &accepted, plan.saturation.0 + plan.open);
    Ok(tokio::try_join!(load, measure)?.1)
}

/// Generations completed per second from now on.
async fn rate(database: &mut PgConnection, lasting: Duration) -> anyhow::Result<f64> {
    let (begun, before) = (Instant::now(), completed(database).await?);
    sleep(lasting).await;
    let done = completed(database).await? - before;
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

async fn overload(
    plan: &Plan,
    users: &Arc<[User]>,
    usual: f64,
    database: &mut PgConnection,
) -> anyhow::Result<Overload> {
    drained(database, usual).await?;
    let before = completed(database).await?;
    let arrivals = arrive(usual * FACTOR, plan.open, |number| submit(users[number % users.len()].clone()));
    let (outcomes, rate) = tokio::try_join!(arrivals, rate(database, plan.open))?;
    let (arrived, mut accepted, mut refused) = (outcomes.len(), 0, BTreeMap::new());
    for outcome in outcomes {
        match outcome {
            None => accepted += 1,
            Some(code) => *refused.entry(code).or_default() += 1,
        }
    }
    drained(database, usual).await?;
    let ended = completed(database).await? - before;
    ensure!(usize::try_from(ended)? == accepted, "{accepted} were accepted, {ended} ended");
    Ok(Overload { usual, completed: rate, arrived, accepted, refused })
}

/// Submits once: nothing when it was accepted, else the code of the refusal.
async fn submit(user: User) -> anyhow::Result<Option<String>> {
    let mut gateway = GenerationServiceClient::new(user.channel());
    match gateway.create_generation(user.says(wanted())?).await {
        Ok(_) => Ok(None),
        Err(status) if is_typed(&status) => Ok(Some(format!("{:?}", status.code()))),
        Err(status) => anyhow::bail!("a refusal does not say why: {status}"),
    }
}

/// Whether a status carries details: google.rpc.ErrorInfo with the reason.
fn is_typed(status: &Status) -> bool {
    !status.details().is_empty()
}

/// Waits until nothing is open.
async fn drained(database: &mut PgConnection, per_second: f64) -> anyhow::Result<()> {
    let count = "select count(*) from generation.generations where ended_at is null";
    let open: i64 = sqlx::query_scalar(count).fetch_one(&mut *database).await?;
    let deadline = Instant::now() + PATIENCE + Duration::from_secs_f64(open as f64 / per_second * 2.0);
    let mut open = open;
    while open > 0 {
        ensure!(Instant::now() < deadline, "{open} generations do not end");
        sleep(LOOK).await;
        open = sqlx::query_scalar(count).fetch_one(&mut *database).await?;
    }
    Ok(())
}
