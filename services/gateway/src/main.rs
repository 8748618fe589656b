//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start("gateway", imagioo_gateway::DEFAULTS, imagioo_gateway::run)
}
