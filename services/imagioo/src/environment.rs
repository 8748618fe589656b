//! Where this person keeps files: the one place that reads the environment besides the options of the command line.

use std::env;
use std::path::PathBuf;

/// Overrides the folder of the profiles; for tests and for several installations side by side.
const CONFIG_FOLDER: &str = "IMAGIOO_CONFIG_DIR";

/// Where the spans of client commands go: an OTLP/gRPC collector such as `http://127.0.0.1:4317`.
const COLLECTOR: &str = "IMAGIOO_OTLP_ENDPOINT";

/// The folder of the profiles: `$IMAGIOO_CONFIG_DIR`, else `imagioo` in the XDG configuration folder. Nothing without
/// a home.
pub(crate) fn config_folder() -> Option<PathBuf> {
    folder(CONFIG_FOLDER).or_else(|| beneath("XDG_CONFIG_HOME", ".config"))
}

/// The folder in which a server on this machine keeps its data unless told otherwise: `imagioo` in the XDG data
/// folder. Nothing without a home.
pub(crate) fn data_folder() -> Option<PathBuf> {
    beneath("XDG_DATA_HOME", ".local/share")
}

/// The collector that wants to see the spans of a command, if any.
pub(crate) fn otlp_endpoint() -> Option<String> {
    env::var_os(COLLECTOR).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// What terminals say about themselves: `TERM`, and the program behind it.
pub(crate) fn terminal() -> (String, String) {
    let text = |variable| env::var_os(variable).unwrap_or_default().to_string_lossy().into_owned();
    let kitty = env::var_os("KITTY_WINDOW_ID").map(|_| "kitty".to_owned());
    (text("TERM"), kitty.unwrap_or_else(|| text("TERM_PROGRAM")))
}

fn beneath(variable: &str, in_home: &str) -> Option<PathBuf> {
    // The XDG specification has relative paths ignored.
    let base = folder(variable).filter(|path| path.is_absolute());
    let base = base.or_else(|| folder("HOME").map(|home| home.join(in_home)))?;
    Some(base.join("imagioo"))
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
