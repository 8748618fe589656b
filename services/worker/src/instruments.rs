//! Names, units and meaning of this service's metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const RUNNING: &str = "imagioo_worker_jobs_running";
const CALLS: &str = "imagioo_worker_calls_total";
const CALL_SECONDS: &str = "imagioo_worker_call_seconds";
const IMAGE_BYTES: &str = "imagioo_worker_image_bytes_total";
const SCREENED: &str = "imagioo_worker_images_screened_total";
const RENEWALS: &str = "imagioo_worker_renewals_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_gauge!(RUNNING, Unit::Count, "jobs that run now");
    describe_counter!(CALLS, Unit::Count, "calls to providers, by provider and outcome");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "time of one call to a provider, by provider");
    describe_counter!(IMAGE_BYTES, Unit::Bytes, "bytes of images that were stored and verified");
    describe_counter!(SCREENED, Unit::Count, "decisions about finished images, by outcome");
    describe_counter!(RENEWALS, Unit::Count, "renewals of leases, by outcome");
}

pub(crate) fn running(jobs: usize) {
    gauge!(RUNNING).set(jobs as f64);
}

/// `outcome` is `DONE` or the reason of the failure.
pub(crate) fn called(provider: &str, outcome: &'static str, took: Duration) {
    counter!(CALLS, "provider" => provider.to_owned(), "outcome" => outcome).increment(1);
    histogram!(CALL_SECONDS, "provider" => provider.to_owned()).record(took);
}

pub(crate) fn image_kept(bytes: usize) {
    counter!(IMAGE_BYTES).increment(bytes as u64);
}

/// `outcome` is `allow`, `block` or `unavailable`.
pub(crate) fn screened(outcome: &'static str) {
    counter!(SCREENED, "outcome" => outcome).increment(1);
}

/// `outcome` is `renewed` or `missed`.
pub(crate) fn renewed(outcome: &'static str) {
    counter!(RENEWALS, "outcome" => outcome).increment(1);
}
