//! A private RabbitMQ: loopback only, free ports, a password of its own, gone without a trace afterwards.

mod programs;
mod site;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use programs::Programs;
use site::Site;

/// How long the node may take to start or stop; usually five seconds on two cores.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// One node with its own port mapper, in one process group. Dropping it kills both.
#[derive(Debug)]
pub struct RabbitMq {
    programs: Programs,
    site: Site,
    mapper: Option<Child>,
    node: Option<Child>,
    watch: Option<Child>,
}

impl RabbitMq {
    /// Finds or fetches the programs and chooses ports and password; nothing runs yet. Data lives in a fresh
    /// folder inside `folder`.
    ///
    /// # Errors
    /// When there are no programs to be had, or the folder cannot be written.
    pub async fn prepare(folder: &Path) -> anyhow::Result<Self> {
        let programs = Programs::find().await?;
        let site = Site::choose(folder)?;
        Ok(Self { programs, site, mapper: None, node: None, watch: None })
    }

    /// A node that answers.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Self::boot`].
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut broker = Self::prepare(folder).await?;
        broker.boot().await?;
        Ok(broker)
    }

    /// `amqp://user:password@127.0.0.1:port`, the same before, between and after every [`Self::boot`].
    #[must_use]
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// Starts the node, with the data it had when it was killed, and waits until it answers.
    ///
    /// # Errors
    /// When it ends early or takes too long; the error names its log.
    pub async fn boot(&mut self) -> anyhow::Result<()> {
        self.start_mapper().await?;
        let group = self.mapper.as_ref().and_then(pid).context("the port mapper is gone")?;
        let node = self
            .command("rabbitmq-server")
            .arg("-noinput")
            .process_group(group.as_raw())
            .spawn()
            .context("rabbitmq-server cannot be run")?;
        self.node = Some(node);
        self.answers(self.site.amqp()).await
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
    /// As [`Self::kill`] and [`Self::boot`].
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

    /// Stops the node as its own signal handler does, then the port mapper.
    ///
    /// # Errors
    /// When it does not stop in time; dropping it then kills it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(mut node) = self.node.take() {
            if let Some(pid) = pid(&node) {
                kill(pid, Signal::SIGTERM)?;
            }
            timeout(PATIENCE, node.wait()).await.context("RabbitMQ does not stop")??;
        }
        for mut helper in [self.watch.take(), self.mapper.take()].into_iter().flatten() {
            helper.kill().await?;
        }
        Ok(())
    }

    /// The node finds its port mapper by itself; ours runs in the foreground, so that it ends with us.
    async fn start_mapper(&mut self) -> anyhow::Result<()> {
        if self.mapper.is_some() {
            return Ok(());
        }
        let mapper = self.command("epmd").process_group(0).spawn().context("epmd cannot be run")?;
        let group = pid(&mapper).context("epmd ended at once")?;
        self.mapper = Some(mapper);
        self.watch = Some(watch(group)?);
        self.answers(self.site.mapper()).await
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("PATH", self.programs.path())
            .envs(self.site.environment())
            .current_dir(self.site.folder())
            .stdin(Stdio::null())
            .stdout(self.site.output())
            .stderr(self.site.output())
            .kill_on_drop(true);
        command
    }

    async fn answers(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let ended = [&mut self.mapper, &mut self.node].into_iter().flatten().any(has_ended);
            if ended || Instant::now() > deadline {
                bail!("RabbitMQ does not start: {}", self.site.last_words());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// Kills the group when this process is gone, however it went: its end of the pipe closes then.
fn watch(group: Pid) -> anyhow::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "watch", &group.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("sh cannot be run")
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}
