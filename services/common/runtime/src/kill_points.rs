//! Kill points: named places at which a test build dies, as if the machine had lost power there.
//!
//! A place is marked by `fail_point!("service.place.moment")` of the crate `fail`, which is nothing at all without the
//! feature `kill-points`. With it, `IMAGIOO_KILL_AT=name` or `name:3` kills the process when it gets there the first
//! or third time.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, raise};

const VARIABLE: &str = "IMAGIOO_KILL_AT";

/// Arms the point that the environment names, if any.
pub(crate) fn arm() -> Result<(), String> {
    let Some(order) = std::env::var_os(VARIABLE).and_then(|order| order.into_string().ok()) else {
        return Ok(());
    };
    let (name, times) = order.split_once(':').unwrap_or((&order, "1"));
    let times: usize =
        times.parse().map_err(|_| format!("{VARIABLE}={order} has no number after the colon"))?;
    let passed = AtomicUsize::new(0);
    fail::cfg_callback(name, move || {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == times {
            // Cannot fail for a signal to oneself, and nothing could be done if it did.
            raise(Signal::SIGKILL).unwrap_or_default();
        }
    })
}
