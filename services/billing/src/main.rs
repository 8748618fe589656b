//! The billing service.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start("billing", imagioo_billing::DEFAULTS, imagioo_billing::run)
}
