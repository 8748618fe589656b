//! The worker as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start("worker", imagioo_worker::DEFAULTS, imagioo_worker::run)
}
