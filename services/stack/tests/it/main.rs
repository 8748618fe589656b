//! The whole system as separate processes on real servers, as `make up` runs it.

mod canary;
mod collector;
mod dead_letters;
mod house;
mod kills;
mod links;
mod long_jobs;
mod operators;
mod outages;
mod overload;
mod program;
mod provider;
mod provider_faults;
mod refusals;
mod replicas;
mod seeds;
mod shapes;
mod trace;

/// Shown when a test fails or with `--nocapture`.
#[expect(clippy::print_stderr, reason = "a test's own protocol")]
fn say(text: &str) {
    eprintln!("{text}");
}
