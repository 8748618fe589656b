//! Names, units and meaning of this crate's metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const SECONDS: &str = "imagioo_storage_seconds";
const WRITTEN: &str = "imagioo_storage_written_bytes_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_histogram!(SECONDS, Unit::Seconds, "time of one call to the store, by operation and outcome");
    describe_counter!(WRITTEN, Unit::Bytes, "bytes stored");
}

pub(crate) fn called(operation: &'static str, outcome: &'static str, took: Duration) {
    histogram!(SECONDS, "operation" => operation, "outcome" => outcome).record(took.as_secs_f64());
}

pub(crate) fn written(bytes: u64) {
    counter!(WRITTEN).increment(bytes);
}
