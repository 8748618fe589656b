//! Where RabbitMQ and Erlang are on this machine.

use std::ffi::OsString;

use anyhow::{Context, bail};
use tokio::process::Command;

/// Finds them, else fetches them into `.local/servers`.
const FETCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../deploy/local/fetch-rabbitmq.sh");

#[derive(Debug)]
pub(super) struct Programs(OsString);

impl Programs {
    pub(super) async fn find() -> anyhow::Result<Self> {
        let output = Command::new(FETCH).output().await.with_context(|| format!("{FETCH} cannot be run"))?;
        if !output.status.success() {
            bail!("no RabbitMQ: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut path = OsString::from(String::from_utf8(output.stdout)?.trim());
        if let Some(own) = std::env::var_os("PATH") {
            path.push(":");
            path.push(own);
        }
        Ok(Self(path))
    }

    /// A `PATH` that has the programs first.
    pub(super) const fn path(&self) -> &OsString {
        &self.0
    }
}
