//! The hot statements: rows of many callers share one statement and one commit.

use fail::fail_point;
use imagioo_batch::{BatchError, Lanes, Size};
use imagioo_proto::jobs::v1::GenerationReady;
use imagioo_runtime::{Shutdown, database};
use sqlx::PgPool;

use crate::db::generations::insert::{Inserted, New};
use crate::db::generations::settle::{Applied, Outcome};
use crate::db::generations::start::{Claim, Started, Terms};
use crate::dispatch::offers::{Offer, Offers};
use crate::generation::State;

mod statement;

use statement::{Insert, Settle, Start, run};

/// A few batches of each kind run at once, so that one slow commit does not hold up all others.
const SIZE: Size = Size { lanes: 4, rows: 128 };

/// Why a hot row has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum HotError {
    #[error("the statement failed")]
    Database(#[source] std::sync::Arc<sqlx::Error>),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

type Answer<A> = Result<Option<A>, HotError>;

/// Rows on their way into a shared statement. Clones share the lanes.
#[derive(Clone)]
pub(crate) struct Hot {
    inserts: Lanes<New, Answer<Inserted>>,
    starts: Lanes<Claim, Answer<Started>>,
    settles: Lanes<Outcome, Answer<Applied>>,
}

impl Hot {
    pub(crate) fn new(pool: &PgPool, terms: Terms, offers: Offers, shutdown: &Shutdown) -> Self {
        let pool = || database::planned_once(pool, SIZE.lanes);
        let (inserts, starts, settles) = (pool(), pool(), pool());
        Self {
            inserts: Lanes::new("insert generations", SIZE, shutdown, move |rows| {
                insert(inserts.clone(), offers.clone(), rows)
            }),
            starts: Lanes::new("start generations", SIZE, shutdown, move |rows| {
                start(terms, starts.clone(), rows)
            }),
            settles: Lanes::new("settle generations", SIZE, shutdown, move |rows| {
                settle(settles.clone(), rows)
            }),
        }
    }

    /// Inserts a generation unless its id exists, and has it offered if it was dispatched at once.
    pub(crate) async fn insert(&self, row: New) -> Result<Inserted, HotError> {
        let answer = self.inserts.submit(row.owner, row).await??;
        answer.ok_or_else(|| HotError::Database(sqlx::Error::RowNotFound.into()))
    }

    /// Starts a generation; nothing when it is not to be started.
    pub(crate) async fn start(&self, claim: Claim) -> Result<Option<Started>, HotError> {
        self.starts.submit(claim.generation, claim).await?
    }

    /// Applies an outcome; nothing when the generation already has one or is at another attempt.
    pub(crate) async fn settle(&self, outcome: Outcome) -> Result<Option<Applied>, HotError> {
        self.settles.submit(outcome.generation, outcome).await?
    }
}

async fn insert(pool: PgPool, offers: Offers, rows: Vec<New>) -> Vec<Answer<Inserted>> {
    let ways: Vec<_> = rows.iter().map(|row| (row.deployment.clone(), row.trace.clone())).collect();
    fail_point!("gateway.insert.before_commit");
    let answers = run(Insert, pool, rows).await;
    fail_point!("gateway.insert.after_commit");
    for ((deployment, trace), answer) in ways.into_iter().zip(&answers) {
        if let Ok(Some(Inserted { id, state: State::Dispatched, created: Some(_) })) = answer {
            let ready = GenerationReady { generation: id.name(), attempt: 1 };
            offers.leave(Offer { deployment, ready, trace });
        }
    }
    answers
}

async fn start(terms: Terms, pool: PgPool, rows: Vec<Claim>) -> Vec<Answer<Started>> {
    fail_point!("gateway.start.before_commit");
    let answers = run(Start(terms), pool, rows).await;
    fail_point!("gateway.start.after_commit");
    answers
}

async fn settle(pool: PgPool, rows: Vec<Outcome>) -> Vec<Answer<Applied>> {
    fail_point!("gateway.settle.before_commit");
    let answers = run(Settle, pool, rows).await;
    fail_point!("gateway.settle.after_commit");
    answers
}
