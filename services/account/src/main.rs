//! The account service.

use std::process::ExitCode;

fn main() -> ExitCode {
    imagioo_runtime::start_owner(
        "account",
        imagioo_account::DEFAULTS,
        imagioo_account::migrator,
        imagioo_account::run,
    )
}
