//! A private RabbitMQ: loopback only, free ports, a password of its own.

mod site;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::home::Home;
use crate::leash::{Guard, pid};
use crate::process::Process;
use crate::programs;
use site::Site;

/// How long the node may take to start or stop; usually five seconds on two cores.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// One node with its own port mapper, in one process group. Dropping it kills both.
#[derive(Debug)]
pub struct RabbitMq {
    path: OsString,
    site: Site,
    mapper: Option<(Child, Guard)>,
    node: Option<Child>,
}

impl RabbitMq {
    /// A node whose data stays in `folder`; nothing runs yet.
    ///
    /// # Errors
    /// There are no programs to be had, or the folder cannot be written.
    pub async fn keep(folder: &Path) -> anyhow::Result<Self> {
        Self::at(Home::keep(folder)?).await
    }

    /// A node whose data lives in a fresh folder inside `folder` and goes with this value; nothing runs yet.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn prepare(folder: &Path) -> anyhow::Result<Self> {
        Self::at(Home::fresh(folder, "rabbitmq-")?).await
    }

    /// As [`Self::prepare`], and the node answers.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Process::boot`].
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut broker = Self::prepare(folder).await?;
        broker.boot().await?;
        Ok(broker)
    }

    async fn at(home: Home) -> anyhow::Result<Self> {
        let mut path = OsString::from(programs::find("rabbitmq").await?);
        if let Some(own) = std::env::var_os("PATH") {
            path.push(":");
            path.push(own);
        }
        Ok(Self { path, site: Site::choose(home)?, mapper: None, node: None })
    }

    /// Sets a parameter of the application `rabbit` for every boot to come.
    pub fn set(&mut self, parameter: &str, value: u64) {
        self.site.set(parameter, value);
    }

    /// `amqp://user:password@127.0.0.1:port`, the same before, between and after every boot.
    #[must_use]
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// Kills the node with SIGKILL, as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut node = self.node.take().context("the node does not run")?;
        Ok(node.kill().await?)
    }

    /// Kills the node and starts it again.
    ///
    /// # Errors
    /// As [`Self::kill`] and [`Process::boot`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        self.boot().await
    }

    /// Makes the node close every client's connection.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn close_connections(&self) -> anyhow::Result<()> {
        self.control(&["close_all_connections", "closed by a test"]).await
    }

    /// Runs `rabbitmqctl` against the node.
    ///
    /// # Errors
    /// When it fails; its output is in the node's folder.
    pub async fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("rabbitmqctl");
        let status = timeout(PATIENCE, command.args(arguments).status()).await??;
        if !status.success() {
            bail!("rabbitmqctl {} failed", arguments.join(" "));
        }
        Ok(())
    }

    /// The node finds its port mapper by itself; ours runs in the foreground, so that it ends with us.
    async fn start_mapper(&mut self) -> anyhow::Result<()> {
        if self.mapper.is_some() {
            return Ok(());
        }
        let guard = Guard::post()?;
        let mapper = guard.spawn(&mut self.command("epmd"))?;
        self.mapper = Some((mapper, guard));
        self.answers(self.site.mapper()).await
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("PATH", &self.path)
            .envs(self.site.environment())
            .current_dir(self.site.home.path())
            .stdin(Stdio::null())
            .stdout(self.site.home.output())
            .stderr(self.site.home.output())
            .kill_on_drop(true);
        command
    }

    async fn answers(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let mapper = self.mapper.as_mut().map(|(mapper, _)| mapper);
            let ended = [mapper, self.node.as_mut()].into_iter().flatten().any(has_ended);
            if ended || Instant::now() > deadline {
                bail!("RabbitMQ does not start: {}", self.site.home.last_words());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Process for RabbitMq {
    async fn boot(&mut self) -> anyhow::Result<()> {
        self.site.home.trim_output();
        self.start_mapper().await?;
        let mut command = self.command("rabbitmq-server");
        let (_, guard) = self.mapper.as_ref().context("the port mapper is gone")?;
        self.node = Some(guard.spawn(command.arg("-noinput"))?);
        self.answers(self.site.amqp()).await
    }

    async fn ended(&mut self) -> String {
        match &mut self.node {
            Some(node) => {
                let how =
                    node.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                self.node = None;
                how
            }
            None => "not started".to_owned(),
        }
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut node) = self.node.take() {
            if let Some(pid) = pid(&node) {
                kill(pid, Signal::SIGTERM)?;
            }
            timeout(PATIENCE, node.wait()).await.context("RabbitMQ does not stop")??;
        }
        if let Some((mut mapper, _guard)) = self.mapper.take() {
            mapper.kill().await?;
        }
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        self.node.as_ref().and_then(pid)
    }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}
