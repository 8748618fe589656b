//! One batch of operations: read, plan, write, and again for the wallets that somebody else changed meanwhile.

use std::collections::{BTreeMap, HashSet};

use fail::fail_point;
use imagioo_types::UserId;
use sqlx::PgPool;

use super::plan::{self, Plan};
use crate::db::wallets;
use crate::error::BillingError;
use crate::instruments;
use crate::ledger::{Answer, Operation};

/// An operation on one owner's wallet.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) owner: UserId,
    pub(super) operation: Operation,
}

pub(super) type Verdict = Result<Answer, BillingError>;

/// Orders and what became of them, place by place.
pub(super) struct Batch {
    pool: PgPool,
    orders: Vec<Order>,
    verdicts: Vec<Option<Verdict>>,
}

impl Batch {
    pub(super) fn new(pool: PgPool, orders: Vec<Order>) -> Self {
        let verdicts = orders.iter().map(|_| None).collect();
        Self { pool, orders, verdicts }
    }

    /// Works until every order has its verdict. An order whose row the database refuses fails alone: the undecided ones
    /// are repeated one at a time. Any other failure is everybody's.
    pub(super) async fn carry_out(mut self) -> Vec<Verdict> {
        let all: Vec<usize> = (0..self.orders.len()).collect();
        if let Err(error) = self.decide(&all).await {
            let undecided = self.undecided(&all);
            if undecided.len() > 1 && error.is_about_a_row() {
                self.decide_singly(&undecided).await;
            } else {
                self.fail(&undecided, &error);
            }
        }
        self.verdicts.into_iter().map(|verdict| verdict.unwrap_or(Err(BillingError::CrossedAnswer))).collect()
    }

    async fn decide_singly(&mut self, places: &[usize]) {
        for place in places {
            match self.decide(&[*place]).await {
                Ok(()) => {}
                Err(error) if error.is_about_a_row() => self.fail(&[*place], &error),
                Err(error) => return self.fail(&self.undecided(places), &error),
            }
        }
    }

    /// Each round decides every wallet but those that another process changed during the round, so somebody's work
    /// gets on in every round.
    async fn decide(&mut self, places: &[usize]) -> Result<(), BillingError> {
        let mut open = places.to_vec();
        while !open.is_empty() {
            self.round(&open).await?;
            open = self.undecided(&open);
            instruments::conflicts(open.len());
        }
        Ok(())
    }

    async fn round(&mut self, places: &[usize]) -> Result<(), BillingError> {
        let orders: Vec<(usize, &Order)> =
            places.iter().map(|place| (*place, &self.orders[*place])).collect();
        let mut connection = self.pool.acquire().await?;
        let snapshot = wallets::load(&mut connection, &plan::asked(&orders)).await?;
        let now = snapshot.now;
        let plans = plan::make(snapshot, &orders);
        let changes = plan::changes(&plans, now);
        let moved = if changes.is_empty() {
            HashSet::new()
        } else {
            fail_point!("billing.ledger.before_commit");
            wallets::apply(&mut connection, &changes).await?.into_iter().collect()
        };
        fail_point!("billing.ledger.after_commit");
        drop(connection);
        self.record(plans, &moved);
        Ok(())
    }

    fn record(&mut self, plans: BTreeMap<UserId, Plan>, moved: &HashSet<UserId>) {
        for (owner, plan) in plans {
            if plan.changed() && !moved.contains(&owner) {
                continue;
            }
            for (place, answer) in plan.answers {
                self.verdicts[place] = Some(answer.map_err(BillingError::from));
            }
        }
    }

    fn undecided(&self, places: &[usize]) -> Vec<usize> {
        places.iter().copied().filter(|place| self.verdicts[*place].is_none()).collect()
    }

    fn fail(&mut self, places: &[usize], error: &BillingError) {
        for place in places {
            self.verdicts[*place] = Some(Err(error.clone()));
        }
    }
}
