//! Names, units and meaning of this service's metrics.

use metrics::{Unit, counter, describe_counter};

const SIGN_UPS: &str = "imagioo_account_sign_ups_total";
const SIGN_INS: &str = "imagioo_account_sign_ins_total";
const TOKENS_REUSED: &str = "imagioo_account_refresh_tokens_reused_total";
const SWEPT_ROWS: &str = "imagioo_account_swept_rows_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(SIGN_UPS, Unit::Count, "accounts created");
    describe_counter!(
        SIGN_INS,
        Unit::Count,
        "attempts to sign in, by outcome; many delayed ones are guesses"
    );
    describe_counter!(TOKENS_REUSED, Unit::Count, "sessions ended because a spent token came back");
    describe_counter!(SWEPT_ROWS, Unit::Count, "rows deleted because their time was over, by table");
}

pub(crate) fn signed_up() {
    counter!(SIGN_UPS).increment(1);
}

/// `outcome` is `right`, `wrong` or `delayed`.
pub(crate) fn sign_in(outcome: &'static str) {
    counter!(SIGN_INS, "outcome" => outcome).increment(1);
}

pub(crate) fn token_reused() {
    counter!(TOKENS_REUSED).increment(1);
}

pub(crate) fn swept(table: &'static str, rows: u64) {
    counter!(SWEPT_ROWS, "table" => table).increment(rows);
}
