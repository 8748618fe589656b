//! The whole system as separate processes on real servers, as `make up` runs it.

mod house;
mod kills;
mod outages;
mod program;
mod provider;
mod provider_faults;
mod refusals;
mod replicas;
mod seeds;

/// Shown when a test fails or with `--nocapture`.
#[expect(clippy::print_stderr, reason = "a test's own protocol")]
fn say(text: &str) {
    eprintln!("{text}");
}
