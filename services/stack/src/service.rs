//! One of the four services as a process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use imagioo_servers::{Leash, Process};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::sleep;

use crate::ports::require_free;

/// Longer than a service's own grace period.
const STOP_WITHIN: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(50);
/// A log longer than this is put aside at the next start.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;

/// Environment for the next start only.
pub(crate) type Once = Arc<Mutex<Vec<(String, String)>>>;

/// A service's program with its configuration.
pub(crate) struct Service {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Where it tells whether it is ready.
    ops: SocketAddr,
    /// Where else it listens.
    listens: Vec<SocketAddr>,
    once: Once,
    http: reqwest::Client,
    process: Option<Leash>,
}

/// What a service is made of.
pub(crate) struct Recipe<'a> {
    pub(crate) service: &'a str,
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) ops: SocketAddr,
    pub(crate) listens: Vec<SocketAddr>,
}

impl Service {
    pub(crate) fn new(recipe: Recipe<'_>, once: Once) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "asks loopback only, which the guarded client refuses")]
        let http = reqwest::Client::new();
        Ok(Self {
            program: program(recipe.service)?,
            config: recipe.config,
            log: recipe.log,
            ops: recipe.ops,
            listens: recipe.listens,
            once,
            http,
            process: None,
        })
    }

    /// Until it is ready, however long that takes, or ends.
    async fn ready(&self, process: &mut Leash) -> anyhow::Result<()> {
        let question = format!("http://{}/readyz", self.ops);
        loop {
            if process.has_ended() {
                bail!("it ended at once: {}", last_words(&self.log));
            }
            let answer = self.http.get(&question).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
}

#[async_trait]
impl Process for Service {
    async fn boot(&mut self) -> anyhow::Result<()> {
        for address in self.listens.iter().chain([&self.ops]) {
            require_free(*address).await?;
        }
        let log = open_log(&self.log)?;
        let once: Vec<_> = self.once.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).envs(once);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Kept even when nobody waits for it to be ready any more.
        let mut process = Leash::spawn(&mut command)?;
        let ready = self.ready(&mut process).await;
        self.process = Some(process);
        ready
    }

    async fn ended(&mut self) -> String {
        match &mut self.process {
            Some(process) => {
                process.ended().await.map_or_else(|error| error.to_string(), |status| status.to_string())
            }
            None => "not started".to_owned(),
        }
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => {
                let status = process.stop(STOP_WITHIN).await?;
                anyhow::ensure!(status.success(), "it stopped with {status}: {}", last_words(&self.log));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.process.as_ref().and_then(Leash::pid)
    }
}

/// Runs a service's command `migrate` to its end.
pub(crate) async fn migrate(service: &str, url: &str) -> anyhow::Result<()> {
    let output = Command::new(program(service)?)
        .arg("migrate")
        .env(format!("IMAGIOO_{}__DATABASE__URL", service.to_uppercase()), url)
        .stdin(Stdio::null())
        .output()
        .await?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{service} cannot be migrated: {}", String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// Beside this program; tests lie one folder deeper.
fn program(service: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let name = format!("imagioo-{service}");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built: run `cargo build --workspace`"))
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.reverse();
    lines.join("\n")
}
