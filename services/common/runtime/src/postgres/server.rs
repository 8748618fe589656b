//! The running server: launched as a child or adopted, watched until it answers, stopped.

mod leftover;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::site::{Answer, Site};
use super::{PostgresError, program};

/// How long recovery after a crash may take.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take, with its checkpoint.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How long an immediate shutdown may take.
const ABORT_WITHIN: Duration = Duration::from_secs(5);
/// Between two questions whether it is ready yet.
const ASK_AGAIN: Duration = Duration::from_millis(25);
/// Launches before a reason that passes by itself is taken for one that does not.
const LAUNCHES: u32 = 8;
/// What a server says when the remains of the last one are still ending, or its port was just taken.
const PASSING: [&str; 3] = ["Address already in use", "lock file", "still in use"];

/// A server that answers.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    port: u16,
}

#[derive(Debug)]
enum Process {
    Child(Child),
    /// Not our child, with the command that stops it.
    Adopted(Box<Command>),
    Stopped,
}

impl Server {
    /// Adopts a left-over server of the folder, or launches one.
    pub(super) async fn start(site: &Site) -> Result<Self, PostgresError> {
        if let Some(port) = leftover::find(site).await? {
            return Ok(Self { process: Process::Adopted(Box::new(site.stop_command())), port });
        }
        Self::launch(site, None).await
    }

    /// Launches the server, on a free port unless one is given. Remains of the last one are given time to
    /// end.
    pub(super) async fn launch(site: &Site, port: Option<u16>) -> Result<Self, PostgresError> {
        leftover::forget_dead_pid(&site.folder)?;
        site.folder.remove_sockets()?;
        let mut attempt = 1;
        loop {
            let port = port.map_or_else(free_port, Ok)?;
            match launch_once(site, port).await {
                Err(PostgresError::Ended { log })
                    if attempt < LAUNCHES && PASSING.iter().any(|reason| log.contains(reason)) =>
                {
                    sleep(ASK_AGAIN * 2_u32.pow(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn adopted(&self) -> bool {
        matches!(self.process, Process::Adopted(_))
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.process {
            Process::Child(child) => pid(child),
            Process::Adopted(_) | Process::Stopped => None,
        }
    }

    /// Waits until the server ends by itself; one that is not our child is never seen to end.
    pub(super) async fn ended(&mut self) {
        match &mut self.process {
            Process::Child(child) => {
                // Whatever is wrong with waiting, there is no server any more.
                drop(child.wait().await);
                self.process = Process::Stopped;
            }
            Process::Adopted(_) => std::future::pending().await,
            Process::Stopped => {}
        }
    }

    /// Fast shutdown, then immediate, then by force.
    pub(super) async fn stop(mut self) -> Result<(), PostgresError> {
        match std::mem::replace(&mut self.process, Process::Stopped) {
            Process::Child(child) => stop_child(child).await,
            Process::Adopted(mut stop) => program::run(&mut stop).await,
            Process::Stopped => Ok(()),
        }
    }

    /// Leaves the server running, as a killed process does.
    #[cfg(test)]
    pub(super) fn abandon(mut self) {
        std::mem::forget(std::mem::replace(&mut self.process, Process::Stopped));
    }

    /// Kills the server's main process, as the kernel does when memory runs out.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        if let Process::Child(child) = &self.process {
            signal(child, Signal::SIGKILL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.process, Process::Stopped) {
            Process::Child(child) => signal(&child, Signal::SIGINT),
            Process::Adopted(stop) => {
                let asked = stop.into_std().stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                if let Err(error) = asked {
                    tracing::warn!(error = &error as &dyn std::error::Error, "postgresql keeps running");
                }
            }
            Process::Stopped => {}
        }
    }
}

/// Launches once, and waits until the server answers.
async fn launch_once(site: &Site, port: u16) -> Result<Server, PostgresError> {
    let (log, written) = site.folder.open_log()?;
    let mut command = site.launch_command(port);
    let program = PathBuf::from(command.as_std().get_program());
    let second = log.try_clone().map_err(PostgresError::file("open", &site.folder.log()))?;
    let child = command
        .stdout(log)
        .stderr(second)
        .spawn()
        .map_err(|source| PostgresError::Run { program, source })?;
    let mut server = Server { process: Process::Child(child), port };
    let log = || site.folder.log_since(written);
    tokio::select! {
        () = server.ended() => Err(PostgresError::Ended { log: log() }),
        outcome = timeout(READY_WITHIN, answered(site, port)) => match outcome {
            Ok(answered) => answered.map(|()| server),
            Err(_elapsed) => Err(PostgresError::Silent { seconds: READY_WITHIN.as_secs(), log: log() }),
        },
    }
}

async fn answered(site: &Site, port: u16) -> Result<(), PostgresError> {
    loop {
        match site.ask(port).await {
            Answer::Ready => return Ok(()),
            Answer::Refused(source) => {
                return Err(PostgresError::statement("open the private server")(source));
            }
            Answer::NotNow | Answer::Nobody => sleep(ASK_AGAIN).await,
        }
    }
}

/// A port that was free a moment ago; a launch that finds it taken is repeated with another.
fn free_port() -> Result<u16, PostgresError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| PostgresError::File {
            action: "find a free port on",
            path: PathBuf::from("127.0.0.1"),
            source,
        })
}

async fn stop_child(mut child: Child) -> Result<(), PostgresError> {
    signal(&child, Signal::SIGINT);
    if timeout(STOP_WITHIN, child.wait()).await.is_ok() {
        return Ok(());
    }
    signal(&child, Signal::SIGQUIT);
    if timeout(ABORT_WITHIN, child.wait()).await.is_err() {
        // It may have ended in this very moment.
        drop(child.kill().await);
    }
    Err(PostgresError::Stuck { seconds: STOP_WITHIN.as_secs() })
}

/// Signals a child that was not waited for yet, so that its id cannot belong to anyone else.
fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = pid(child)
        && let Err(error) = kill(pid, signal)
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "postgresql cannot be signalled");
    }
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
}
