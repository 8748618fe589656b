//! A private Redis: on a loopback port, with a password, without a disk.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use crate::leash::Leash;
use crate::process::Process;
use crate::{free_ports, programs};

/// The environment variable with the address of a running Redis for tests.
pub const TEST_REDIS: &str = "IMAGIOO_TEST_REDIS";
/// A server that is not ready or not gone by then never will be.
const HANG: Duration = Duration::from_secs(30);
/// Another process may take the port between our look and the server's.
const TRIES: usize = 5;

/// A server of one's own, killed with this value, or one that runs already. It forgets everything when it ends.
#[derive(Debug)]
pub struct RedisServer {
    url: String,
    /// What a server of one's own is started with.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    program: String,
    configuration: String,
    process: Option<Leash>,
}

impl RedisServer {
    /// The server that is named in [`TEST_REDIS`], else one of one's own. For tests that share it: keep to keys of
    /// your own, and do not kill it.
    ///
    /// # Errors
    /// As [`start`](Self::start)
    pub async fn given_or_started() -> anyhow::Result<Self> {
        match std::env::var_os(TEST_REDIS) {
            Some(url) => Ok(Self {
                url: url.into_string().ok().context("IMAGIOO_TEST_REDIS is no address")?,
                own: None,
            }),
            None => Self::start().await,
        }
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// There is no `redis-server`, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let mut refused = None;
        for _ in 0..TRIES {
            let mut server = Self::prepare().await?;
            match server.boot().await {
                Ok(()) => return Ok(server),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.context("no Redis was started")?)
    }

    /// Chooses a port and a password; nothing runs yet.
    ///
    /// # Errors
    /// There is no `redis-server`.
    pub async fn prepare() -> anyhow::Result<Self> {
        let program = programs::find("redis").await?;
        let ([port], password) = (free_ports()?, Uuid::now_v7().simple());
        let configuration = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\n"
        );
        let url = format!("redis://:{password}@127.0.0.1:{port}/0");
        Ok(Self { url, own: Some(Own { program, configuration, process: None }) })
    }

    /// Its address, password included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server: clients find their connections broken and the port closed.
    ///
    /// # Errors
    /// The process is not ours or could not be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.own()?.process.take() {
            process.signal(nix::sys::signal::Signal::SIGKILL)?;
            process.ended().await?;
        }
        Ok(())
    }

    /// Starts the server again, empty, under the same address.
    ///
    /// # Errors
    /// It is not ours or does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        self.boot().await
    }

    fn own(&mut self) -> anyhow::Result<&mut Own> {
        self.own.as_mut().context("a given Redis is not ours")
    }
}

#[async_trait]
impl Process for RedisServer {
    async fn boot(&mut self) -> anyhow::Result<()> {
        let own = self.own()?;
        let mut command = Command::new(&own.program);
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Leash::spawn(&mut command)?;
        let (input, output) = process.pipes();
        // Not on the command line, which every user of the machine can read.
        let mut input = input.context("redis-server has no input")?;
        input.write_all(own.configuration.as_bytes()).await?;
        drop(input);
        wait_until_ready(output.context("redis-server has no output")?).await?;
        own.process = Some(process);
        Ok(())
    }

    async fn ended(&mut self) -> String {
        let Some(process) = self.own.as_mut().and_then(|own| own.process.as_mut()) else {
            return "not started".to_owned();
        };
        process.ended().await.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        match self.own()?.process.take() {
            Some(mut process) => process.stop(HANG).await.map(drop),
            None => Ok(()),
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.own.as_ref().and_then(|own| own.process.as_ref()).and_then(Leash::pid)
    }
}

async fn wait_until_ready(output: impl AsyncRead + Unpin) -> anyhow::Result<()> {
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    let ready = timeout(HANG, async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("Ready to accept connections") {
                return Ok::<_, anyhow::Error>(true);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Ok(false)
    });
    ensure!(ready.await.context("redis-server hangs")??, "redis-server ended: {said}");
    Ok(())
}
