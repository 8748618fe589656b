//! Names, units and meaning of this crate's metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const PUBLISHED: &str = "imagioo_queue_published_total";
const PUBLISH_SECONDS: &str = "imagioo_queue_publish_seconds";
const DEPTH: &str = "imagioo_queue_depth";
const DELIVERED: &str = "imagioo_queue_delivered_total";
const HANDLE_SECONDS: &str = "imagioo_queue_handle_seconds";
const DEAD_LETTERS: &str = "imagioo_queue_dead_letters_total";
const EXPIRED: &str = "imagioo_queue_expired_total";
const HINTS_SKIPPED: &str = "imagioo_queue_hints_skipped_total";
const OUTBOX: &str = "imagioo_outbox_rows";
const RELAYED: &str = "imagioo_outbox_relayed_total";
const RELAY_FAILURES: &str = "imagioo_outbox_failures_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(PUBLISHED, Unit::Count, "messages published or offered, by message and outcome");
    describe_histogram!(PUBLISH_SECONDS, Unit::Seconds, "time from publish to confirm, by message");
    describe_gauge!(DEPTH, Unit::Count, "messages that wait, delayed ones included, by queue");
    describe_counter!(DELIVERED, Unit::Count, "deliveries, by queue and whether it is the first");
    describe_histogram!(
        HANDLE_SECONDS,
        Unit::Seconds,
        "time a consumer held a delivery, by queue and outcome"
    );
    describe_counter!(DEAD_LETTERS, Unit::Count, "messages given up, by queue; each one needs a person");
    describe_counter!(EXPIRED, Unit::Count, "offers that nobody took in time, by queue");
    describe_counter!(HINTS_SKIPPED, Unit::Count, "hints a slow listener missed, by message");
    describe_gauge!(OUTBOX, Unit::Count, "messages that wait for their confirm, by outbox");
    describe_counter!(RELAYED, Unit::Count, "messages published and confirmed, by outbox");
    describe_counter!(RELAY_FAILURES, Unit::Count, "outbox steps that failed and are repeated, by step");
}

pub(crate) fn published(message: &str, outcome: &'static str, took: Duration) {
    counter!(PUBLISHED, "message" => message.to_owned(), "outcome" => outcome).increment(1);
    histogram!(PUBLISH_SECONDS, "message" => message.to_owned()).record(took.as_secs_f64());
}

pub(crate) fn depth(queue: &str, waiting: usize) {
    gauge!(DEPTH, "queue" => queue.to_owned()).set(waiting as f64);
}

pub(crate) fn delivered(queue: &str, attempt: u32) {
    let first = if attempt == 1 { "true" } else { "false" };
    counter!(DELIVERED, "queue" => queue.to_owned(), "first" => first).increment(1);
}

pub(crate) fn handled(queue: &str, outcome: &'static str, took: Duration) {
    histogram!(HANDLE_SECONDS, "queue" => queue.to_owned(), "outcome" => outcome).record(took.as_secs_f64());
}

pub(crate) fn dead_letter(queue: &str) {
    counter!(DEAD_LETTERS, "queue" => queue.to_owned()).increment(1);
}

pub(crate) fn expired(queue: &str, offers: u64) {
    counter!(EXPIRED, "queue" => queue.to_owned()).increment(offers);
}

pub(crate) fn hints_skipped(message: &'static str, hints: u64) {
    counter!(HINTS_SKIPPED, "message" => message).increment(hints);
}

pub(crate) fn outbox(table: &'static str, rows: i64) {
    gauge!(OUTBOX, "outbox" => table).set(rows as f64);
}

pub(crate) fn relayed(table: &'static str, rows: usize) {
    counter!(RELAYED, "outbox" => table).increment(rows as u64);
}

pub(crate) fn relay_failed(step: &'static str) {
    counter!(RELAY_FAILURES, "step" => step).increment(1);
}
