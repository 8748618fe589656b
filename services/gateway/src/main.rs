//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start_owner(
        "gateway",
        imagioo_gateway::DEFAULTS,
        imagioo_gateway::migrator,
        imagioo_gateway::run,
    )
}
