//! Names, units and meaning of this crate's metrics.

use metrics::{Unit, counter, describe_counter};

use crate::rate::Verdict;

const VERDICTS: &str = "imagioo_cache_verdicts_total";
const LOOKUPS: &str = "imagioo_cache_lookups_total";
const EVICTED: &str = "imagioo_cache_evicted_total";
const FAILURES: &str = "imagioo_cache_failures_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(VERDICTS, Unit::Count, "answers of the rate limiter, by verdict");
    describe_counter!(LOOKUPS, Unit::Count, "values looked up, by whether there was one");
    describe_counter!(EVICTED, Unit::Count, "live entries forgotten because their table was full");
    describe_counter!(FAILURES, Unit::Count, "calls without an answer, by cause");
}

pub(crate) fn judged(verdict: Verdict) {
    let verdict = match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Denied { .. } => "denied",
    };
    counter!(VERDICTS, "verdict" => verdict).increment(1);
}

pub(crate) fn looked_up(hit: bool) {
    counter!(LOOKUPS, "found" => if hit { "true" } else { "false" }).increment(1);
}

pub(crate) fn evicted(entries: usize) {
    counter!(EVICTED).increment(entries as u64);
}

pub(crate) fn failed(cause: &'static str) {
    counter!(FAILURES, "cause" => cause).increment(1);
}
