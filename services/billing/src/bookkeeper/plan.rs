//! What a batch asks of the database, and what the ledger makes of the answer.

use std::collections::{BTreeMap, BTreeSet};

use imagioo_types::UserId;
use time::OffsetDateTime;

use super::batch::Order;
use crate::db::wallets::{Asked, Changes, Snapshot};
use crate::ledger::{Answer, Operation, Posting, Refusal, Wallet, WriteOff};

/// One owner's share of a batch, carried out in memory.
pub(super) struct Plan {
    before: Wallet,
    after: Wallet,
    postings: Vec<Posting>,
    /// The answer to the order at each place; they hold if `before` is still true when `after` is written.
    pub(super) answers: Vec<(usize, Result<Answer, Refusal>)>,
}

impl Plan {
    /// Whether there is anything to write.
    pub(super) fn changed(&self) -> bool {
        self.before != self.after
    }
}

/// The wallets of the orders' owners and what the orders name.
pub(super) fn asked(orders: &[(usize, &Order)]) -> Asked {
    let owners: BTreeSet<UserId> = orders.iter().map(|(_, order)| order.owner).collect();
    let mut asked = Asked { owners: owners.into_iter().map(UserId::uuid).collect(), ..Asked::default() };
    for (_, order) in orders {
        let owner = order.owner.uuid();
        match &order.operation {
            Operation::Grant(grant) => asked.natural_keys.push(grant.natural_key.clone()),
            Operation::Hold(request) => {
                asked.request_owners.push(owner);
                asked.request_ids.push(request.request_id.clone());
            }
            Operation::Capture { generation, .. }
            | Operation::Release { generation }
            | Operation::WriteOff(WriteOff { generation, .. }) => {
                asked.generation_owners.push(owner);
                asked.generations.push(generation.uuid());
            }
            Operation::Expire => {}
        }
    }
    asked
}

/// Carries the orders out on the wallets, in the order of their places.
pub(super) fn make(snapshot: Snapshot, orders: &[(usize, &Order)]) -> BTreeMap<UserId, Plan> {
    let mut own: BTreeMap<UserId, Vec<(usize, &Order)>> = BTreeMap::new();
    for (place, order) in orders {
        own.entry(order.owner).or_default().push((*place, order));
    }
    let Snapshot { now, wallets } = snapshot;
    wallets
        .into_iter()
        .map(|wallet| {
            let owner = wallet.owner;
            (owner, carry_out(wallet, own.get(&owner).map_or(&[], Vec::as_slice), now))
        })
        .collect()
}

fn carry_out(before: Wallet, orders: &[(usize, &Order)], now: OffsetDateTime) -> Plan {
    let mut after = before.clone();
    let mut postings = Vec::new();
    let mut answers = Vec::with_capacity(orders.len());
    for (place, order) in orders {
        let executed = after.execute(&order.operation, now);
        postings.extend(executed.postings);
        answers.push((*place, executed.answer));
    }
    Plan { before, after, postings, answers }
}

/// What the plans write.
pub(super) fn changes(plans: &BTreeMap<UserId, Plan>, now: OffsetDateTime) -> Changes {
    let mut changes = Changes::at(now);
    for plan in plans.values().filter(|plan| plan.changed()) {
        changes.add(&plan.before, &plan.after, &plan.postings);
    }
    changes
}
