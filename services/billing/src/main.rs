//! The billing service.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start_owner(
        "billing",
        imagioo_billing::DEFAULTS,
        imagioo_billing::migrator,
        imagioo_billing::run,
    )
}
