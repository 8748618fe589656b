//! A private Redis for tests: on a loopback port, with a password, without a disk.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use uuid::Uuid;

/// The environment variable with the address of a running Redis for tests.
pub const TEST_REDIS: &str = "IMAGIOO_TEST_REDIS";
/// Where `deploy/local/fetch-redis.sh` leaves a server.
const FETCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../.local/servers/redis");
/// A server that is not ready by then never will be.
const HANG: Duration = Duration::from_secs(30);
/// Another process may take the port between our look and the server's.
const TRIES: usize = 5;

/// A server of one's own, killed with this value, or one that runs already.
pub struct RedisServer {
    url: String,
    /// What a server of one's own is started with.
    own: Option<Own>,
}

struct Own {
    configuration: String,
    child: Option<Child>,
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
            let (port, password) = (free_port()?, Uuid::now_v7().simple());
            let configuration = format!(
                "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\n"
            );
            let url = format!("redis://:{password}@127.0.0.1:{port}/0");
            let mut server = Self { url, own: Some(Own { configuration, child: None }) };
            match server.restart().await {
                Ok(()) => return Ok(server),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.context("no Redis was started")?)
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
        let own = self.own.as_mut().context("a given Redis is not ours to kill")?;
        if let Some(mut child) = own.child.take() {
            child.kill().await.context("Redis could not be killed")?;
        }
        Ok(())
    }

    /// Starts the server again, empty, under the same address.
    ///
    /// # Errors
    /// It is not ours or does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        let own = self.own.as_mut().context("a given Redis is not ours to start")?;
        let mut child =
            command().spawn().context("redis-server could not be run; see deploy/local/fetch-redis.sh")?;
        let mut input = child.stdin.take().context("redis-server has no input")?;
        // Not on the command line, which every user of the machine can read.
        input.write_all(own.configuration.as_bytes()).await?;
        drop(input);
        wait_until_ready(&mut child).await?;
        own.child = Some(child);
        Ok(())
    }
}

async fn wait_until_ready(child: &mut Child) -> anyhow::Result<()> {
    let output = child.stdout.take().context("redis-server has no output")?;
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

/// The server of the distribution, else the one that was fetched, with the libraries fetched beside it.
fn command() -> Command {
    let fetched = Path::new(FETCHED).join("usr/bin/redis-server");
    let (program, libraries) = match on_path("redis-server") {
        None if fetched.exists() => (fetched, Some(fetched_libraries())),
        found => (found.unwrap_or_else(|| "redis-server".into()), None),
    };
    let mut command = Command::new(program);
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command.envs(libraries.map(|folders| ("LD_LIBRARY_PATH", folders)));
    command
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn fetched_libraries() -> OsString {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|folder| Path::new(FETCHED).join(folder).join(&triple));
    std::env::join_paths(folders).unwrap_or_default()
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
