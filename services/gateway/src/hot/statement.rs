//! One statement for many rows, and one for each row when that fails.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use imagioo_types::GenerationId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Answer, HotError};
use crate::db::generations::insert::{self, Inserted, New};
use crate::db::generations::settle::{self, Applied, Outcome};
use crate::db::generations::start::{self, Claim, Started, Terms};

/// A statement over rows that name distinct generations.
pub(super) trait Statement: Send + Sync {
    type Row: Clone + Send + Sync;
    type Answer: Clone + Send;

    /// The generation that a row is about.
    fn generation(row: &Self::Row) -> GenerationId;

    /// Rows are passed in this order, so that every statement takes its locks in the same one.
    fn order(row: &Self::Row) -> (Uuid, Uuid) {
        (Self::generation(row).uuid(), Uuid::nil())
    }

    /// The generation that an answer is about.
    fn answered(answer: &Self::Answer) -> GenerationId;

    fn execute(
        &self,
        conn: &mut PgConnection,
        rows: &[Self::Row],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

/// Answers every row, in the rows' order. Rows about one generation run one after the other.
pub(super) async fn run<S: Statement>(
    statement: S,
    pool: PgPool,
    rows: Vec<S::Row>,
) -> Vec<Answer<S::Answer>> {
    let mut answers: Vec<Answer<S::Answer>> = rows.iter().map(|_| Ok(None)).collect();
    let mut waiting: Vec<(usize, S::Row)> = rows.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let mut seen = HashSet::new();
        let (mut round, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, row)| seen.insert(S::generation(row)));
        round.sort_by_key(|(_, row)| S::order(row));
        let (places, rows): (Vec<_>, Vec<_>) = round.into_iter().unzip();
        for (place, answer) in places.into_iter().zip(together(&statement, &pool, &rows).await) {
            answers[place] = answer;
        }
        waiting = later;
    }
    answers
}

/// One statement for all rows; if it fails, one for each, so that only the offender fails. A row that lost a race is
/// tried again alone, and then sees who won.
async fn together<S: Statement>(statement: &S, pool: &PgPool, rows: &[S::Row]) -> Vec<Answer<S::Answer>> {
    match once(statement, pool, rows).await {
        Ok(found) => found.into_iter().map(Ok).collect(),
        Err(error) if rows.len() == 1 && !lost_a_race(&error) => {
            vec![Err(HotError::Database(Arc::new(error)))]
        }
        Err(error) => {
            tracing::warn!(error = %error, rows = rows.len(), "shared statement failed, running rows singly");
            let mut answers = Vec::with_capacity(rows.len());
            for row in rows {
                let single = once(statement, pool, std::slice::from_ref(row)).await;
                let answer = single.map(|found| found.into_iter().next().flatten());
                answers.push(answer.map_err(|error| HotError::Database(Arc::new(error))));
            }
            answers
        }
    }
}

/// Whether another replica inserted the same row first, a webhook endpoint was removed at that moment, or each of two
/// statements waited for the other.
fn lost_a_race(error: &sqlx::Error) -> bool {
    const UNIQUE_VIOLATION: &str = "23505";
    const FOREIGN_KEY_VIOLATION: &str = "23503";
    const DEADLOCK: &str = "40P01";
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| [UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION, DEADLOCK].contains(&&*code))
}

async fn once<S: Statement>(
    statement: &S,
    pool: &PgPool,
    rows: &[S::Row],
) -> Result<Vec<Option<S::Answer>>, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let found = statement.execute(&mut conn, rows).await?;
    let mut found: HashMap<_, _> = found.into_iter().map(|answer| (S::answered(&answer), answer)).collect();
    Ok(rows.iter().map(|row| found.remove(&S::generation(row))).collect())
}

pub(super) struct Insert;

impl Statement for Insert {
    type Row = New;
    type Answer = Inserted;

    fn generation(row: &New) -> GenerationId {
        row.id
    }

    fn order(row: &New) -> (Uuid, Uuid) {
        (row.owner.uuid(), row.id.uuid())
    }

    fn answered(answer: &Inserted) -> GenerationId {
        answer.id
    }

    async fn execute(&self, conn: &mut PgConnection, rows: &[New]) -> Result<Vec<Inserted>, sqlx::Error> {
        insert::insert(conn, rows).await
    }
}

pub(super) struct Start(pub(super) Terms);

impl Statement for Start {
    type Row = Claim;
    type Answer = Started;

    fn generation(row: &Claim) -> GenerationId {
        row.generation
    }

    fn answered(answer: &Started) -> GenerationId {
        answer.generation
    }

    async fn execute(&self, conn: &mut PgConnection, rows: &[Claim]) -> Result<Vec<Started>, sqlx::Error> {
        start::start(conn, rows, self.0).await
    }
}

pub(super) struct Settle;

impl Statement for Settle {
    type Row = Outcome;
    type Answer = Applied;

    fn generation(row: &Outcome) -> GenerationId {
        row.generation
    }

    fn answered(answer: &Applied) -> GenerationId {
        answer.generation
    }

    async fn execute(&self, conn: &mut PgConnection, rows: &[Outcome]) -> Result<Vec<Applied>, sqlx::Error> {
        settle::settle(conn, rows).await
    }
}
