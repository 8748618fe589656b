//! The account service.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start("account", imagioo_account::DEFAULTS, imagioo_account::run)
}
