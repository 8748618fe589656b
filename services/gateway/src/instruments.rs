//! Names, units and meaning of this service's metrics.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use time::Duration;

use crate::db::dispatch_users::Depth;
use crate::generation::State;

const CREATED: &str = "imagioo_generations_created_total";
const ENDED: &str = "imagioo_generations_ended_total";
const SECONDS: &str = "imagioo_generation_seconds";
const WAITING: &str = "imagioo_queue_waiting";
const IN_FLIGHT: &str = "imagioo_queue_in_flight";
const LIMITED: &str = "imagioo_edge_limited_total";
const ORPHANS: &str = "imagioo_orphans_removed_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(CREATED, Unit::Count, "generations accepted, by deployment");
    describe_counter!(ENDED, Unit::Count, "generations with an outcome, by state");
    describe_histogram!(SECONDS, Unit::Seconds, "time from acceptance to a worker's outcome, by state");
    describe_gauge!(WAITING, Unit::Count, "generations that wait for their turn, by deployment");
    describe_gauge!(IN_FLIGHT, Unit::Count, "generations dispatched or running, by deployment");
    describe_counter!(LIMITED, Unit::Count, "calls refused because there were too many");
    describe_counter!(ORPHANS, Unit::Count, "objects removed that no image names");
}

pub(crate) fn created(deployment: &str) {
    counter!(CREATED, "deployment" => deployment.to_owned()).increment(1);
}

pub(crate) fn ended(state: State) {
    counter!(ENDED, "state" => state.as_str()).increment(1);
}

pub(crate) fn took(state: State, time: Duration) {
    histogram!(SECONDS, "state" => state.as_str()).record(time.as_seconds_f64().max(0.0));
}

pub(crate) fn depth(depth: &Depth) {
    gauge!(WAITING, "deployment" => depth.queue.clone()).set(depth.queued as f64);
    gauge!(IN_FLIGHT, "deployment" => depth.queue.clone()).set(depth.in_flight as f64);
}

pub(crate) fn limited() {
    counter!(LIMITED).increment(1);
}

pub(crate) fn orphans_removed(objects: usize) {
    counter!(ORPHANS).increment(objects as u64);
}
