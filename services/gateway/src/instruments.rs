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
const AVAILABLE: &str = "imagioo_deployment_available_ratio";
const CATALOGUE_IS_CURRENT: &str = "imagioo_catalogue_current_ratio";
const LIMITED: &str = "imagioo_edge_limited_total";
const SCREENED: &str = "imagioo_prompts_screened_total";
const SCREEN_SECONDS: &str = "imagioo_prompt_screen_seconds";
const LISTS: &str = "imagioo_screening_lists_reloaded_total";
const WEBHOOKS: &str = "imagioo_webhook_attempts_total";
const WEBHOOK_SECONDS: &str = "imagioo_webhook_seconds";
const WEBHOOKS_DISABLED: &str = "imagioo_webhooks_disabled_total";
const ORPHANS: &str = "imagioo_orphans_removed_total";

/// Registers every description with the process's recorder.
pub(crate) fn describe() {
    describe_counter!(CREATED, Unit::Count, "generations accepted, by deployment");
    describe_counter!(ENDED, Unit::Count, "generations with an outcome, by state");
    describe_histogram!(SECONDS, Unit::Seconds, "time from acceptance to a worker's outcome, by state");
    describe_gauge!(WAITING, Unit::Count, "generations that wait for their turn, by deployment");
    describe_gauge!(IN_FLIGHT, Unit::Count, "generations dispatched or running, by deployment");
    describe_gauge!(AVAILABLE, "1 when a deployment takes generations, 0 when it is paused or shut");
    describe_gauge!(CATALOGUE_IS_CURRENT, "1 when the catalogue's file is in force, 0 when an older one is");
    describe_counter!(LIMITED, Unit::Count, "calls refused because there were too many");
    describe_counter!(SCREENED, Unit::Count, "decisions about prompts, by screen and outcome");
    describe_histogram!(SCREEN_SECONDS, Unit::Seconds, "time of one decision about a prompt, by screen");
    describe_counter!(LISTS, Unit::Count, "changes of the screening lists, by outcome");
    describe_counter!(WEBHOOKS, Unit::Count, "attempts to deliver an event, by what became of the delivery");
    describe_histogram!(
        WEBHOOK_SECONDS,
        Unit::Seconds,
        "time until an endpoint's answer, or until there was none"
    );
    describe_counter!(WEBHOOKS_DISABLED, Unit::Count, "webhook endpoints switched off by us, by reason");
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

pub(crate) fn available(deployment: &str, available: bool) {
    gauge!(AVAILABLE, "deployment" => deployment.to_owned()).set(f64::from(u8::from(available)));
}

pub(crate) fn catalogue_is_current(current: bool) {
    gauge!(CATALOGUE_IS_CURRENT).set(f64::from(u8::from(current)));
}

pub(crate) fn limited() {
    counter!(LIMITED).increment(1);
}

/// `outcome` is `allow`, `flag`, `deny` or `unavailable`.
pub(crate) fn screened(screen: &'static str, outcome: &'static str, took: std::time::Duration) {
    counter!(SCREENED, "screen" => screen, "outcome" => outcome).increment(1);
    histogram!(SCREEN_SECONDS, "screen" => screen).record(took);
}

/// `outcome` is `taken` or `refused`.
pub(crate) fn lists_reloaded(outcome: &'static str) {
    counter!(LISTS, "outcome" => outcome).increment(1);
}

/// `outcome` is `delivered`, `retry`, `given_up` or `unsendable`.
pub(crate) fn webhook_attempt(outcome: &'static str) {
    counter!(WEBHOOKS, "outcome" => outcome).increment(1);
}

pub(crate) fn webhook_took(time: std::time::Duration) {
    histogram!(WEBHOOK_SECONDS).record(time);
}

pub(crate) fn webhook_disabled(reason: &'static str) {
    counter!(WEBHOOKS_DISABLED, "reason" => reason).increment(1);
}

pub(crate) fn orphans_removed(objects: usize) {
    counter!(ORPHANS).increment(objects as u64);
}
