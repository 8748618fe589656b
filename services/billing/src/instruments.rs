//! Names, units and meaning of this service's metrics.

use metrics::{Unit, counter, describe_counter};

const OPERATIONS: &str = "imagioo_billing_operations_total";
const CONFLICTS: &str = "imagioo_billing_conflicts_total";
const HOLDS_ASKED: &str = "imagioo_billing_holds_asked_total";
const EXPIRED: &str = "imagioo_billing_expired_credits_total";
const WRITE_OFFS: &str = "imagioo_billing_write_offs_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(OPERATIONS, Unit::Count, "operations on the ledger, by kind and outcome");
    describe_counter!(CONFLICTS, Unit::Count, "operations planned again because their wallet had changed");
    describe_counter!(HOLDS_ASKED, Unit::Count, "old holds whose generation was asked for, by answer");
    describe_counter!(EXPIRED, Unit::Count, "credits that expired unspent");
    describe_counter!(WRITE_OFFS, Unit::Count, "delivered images that no hold paid for; each one is a fault");
}

/// `outcome` is `done`, `refused` or `failed`.
pub(crate) fn operation(kind: &'static str, outcome: &'static str) {
    counter!(OPERATIONS, "operation" => kind, "outcome" => outcome).increment(1);
}

pub(crate) fn conflicts(operations: usize) {
    counter!(CONFLICTS).increment(operations as u64);
}

pub(crate) fn hold_asked(answer: &'static str) {
    counter!(HOLDS_ASKED, "answer" => answer).increment(1);
}

pub(crate) fn expired(credits: u64) {
    counter!(EXPIRED).increment(credits);
}

pub(crate) fn written_off() {
    counter!(WRITE_OFFS).increment(1);
}
