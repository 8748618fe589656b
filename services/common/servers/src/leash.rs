//! A child that does not outlive this process.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A child process in a group with a guard. The guard kills the group when this value is dropped, and also when
/// this process is killed: its end of a pipe closes either way.
#[derive(Debug)]
pub struct Leash {
    child: Child,
    _guard: Guard,
}

/// A process group that ends when its pipe closes.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    group: Pid,
}

impl Guard {
    /// A group without members but the guard itself.
    pub(crate) fn post() -> anyhow::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$$\""])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(false)
            .spawn()
            .context("sh cannot be run")?;
        let group = pid(&shell).context("sh ended at once")?;
        Ok(Self { shell, group })
    }

    /// Starts a member of the group.
    pub(crate) fn spawn(&self, command: &mut Command) -> anyhow::Result<Child> {
        let program = command.as_std().get_program().to_owned();
        command
            .process_group(self.group.as_raw())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
    }
}

impl Leash {
    /// Starts the command.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let guard = Guard::post()?;
        let child = guard.spawn(command)?;
        Ok(Self { child, _guard: guard })
    }

    /// Its process id, until its end was seen.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        pid(&self.child)
    }

    /// Its standard input and output, when they are pipes and were not taken before.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system cannot say.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to the child alone.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().context("the process has ended")?;
        kill(pid, signal).with_context(|| format!("{signal} cannot be sent"))
    }

    /// SIGTERM, and SIGKILL for one that does not end within `patience`.
    ///
    /// # Errors
    /// It had to be killed, or the system cannot say.
    pub async fn stop(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        match self.ask_to_stop(patience).await? {
            Some(status) => Ok(status),
            None => {
                self.kill().await?;
                anyhow::bail!("it did not end within {} s and was killed", patience.as_secs())
            }
        }
    }

    /// As [`Self::stop`], for one that may as well be killed.
    ///
    /// # Errors
    /// The system cannot say.
    pub async fn stop_or_kill(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        match self.ask_to_stop(patience).await? {
            Some(status) => Ok(status),
            None => self.kill().await,
        }
    }

    async fn ask_to_stop(&mut self, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        if let Some(pid) = self.pid() {
            // Fails only when it has just ended, which is what was wanted.
            kill(pid, Signal::SIGTERM).unwrap_or_default();
        }
        Ok(timeout(patience, self.child.wait()).await.ok().transpose()?)
    }

    async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.start_kill()?;
        Ok(self.child.wait().await?)
    }
}

pub(crate) fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
}
