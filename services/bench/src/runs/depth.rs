//! M8: whether a submit takes longer the more generations wait already.
//!
//! A queue only grows while workers are stopped, so that depths cannot take turns; the floor, measured beside each and
//! blind to the depth, takes their part: what counts is the ratio to it.

use serde::Serialize;
use sqlx::PgConnection;

use super::saturation::open_database;
use super::submit::{Pair, pair};
use crate::floor::Floor;
use crate::load::{crowd, fill::fill};
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::stats::slope;

/// Closed loops at once.
const CLIENTS: usize = 16;

/// What was measured beside queues of several lengths.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) steps: Vec<Step>,
    /// Bytes of PostgreSQL's files for each generation, indexes included.
    pub(crate) stored_bytes: f64,
    /// Bytes of one message in the broker: its body and its properties.
    pub(crate) message_bytes: usize,
}

/// One round at one depth.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Generations that waited when it began.
    pub(crate) depth: i64,
    pub(crate) pair: Pair,
}

impl Growth {
    /// The exponent b of the median's ratio to the floor's, as (1 + depth)^b.
    pub(crate) fn exponent(&self) -> f64 {
        slope(self.steps.iter().map(|Step { depth, pair }| {
            ((1.0 + *depth as f64).ln(), (pair.imagioo.p50 / pair.floor.p50).ln())
        }))
    }
}

/// Runs it on a stack of its own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Growth> {
    Place::during(&Setting::stopped(), async |place| grow(plan, place).await).await
}

async fn grow(plan: &Plan, place: &Place) -> anyhow::Result<Growth> {
    let users = crowd::gather(place, plan.users).await?;
    let floor = Floor::prepare(&place.stack, plan.users).await?;
    let mut database = open_database(place).await?;
    let mut steps = Vec::new();
    for wanted in &plan.depths {
        let missing = i64::try_from(*wanted)? - waiting(&mut database).await?;
        fill(&users, u64::try_from(missing).unwrap_or_default()).await?;
        for round in 0..plan.rounds {
            let depth = waiting(&mut database).await?;
            let pair = pair(plan.depth, place, &floor, &users, (round, CLIENTS)).await?;
            steps.push(Step { depth, pair });
        }
    }
    let stored: f64 = sqlx::query_scalar(
        "select pg_total_relation_size('generation.generations')::float8 / greatest(count(*), 1)
         from generation.generations",
    )
    .fetch_one(&mut database)
    .await?;
    let message_bytes = place.message_bytes().await?;
    Ok(Growth { steps, stored_bytes: stored, message_bytes })
}

async fn waiting(database: &mut PgConnection) -> anyhow::Result<i64> {
    let count = "select count(*) from generation.generations where ended_at is null";
    Ok(sqlx::query_scalar(count).fetch_one(database).await?)
}
