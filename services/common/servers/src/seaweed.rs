//! A private SeaweedFS with its S3 gateway: signatures are checked, `If-None-Match` is honoured, objects stay.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::home::Home;
use crate::leash::Leash;
use crate::process::Process;
use crate::{free_ports, programs};

/// The bucket; SeaweedFS creates it with the first object.
pub const BUCKET: &str = "imagioo";
const ACCESS_KEY_ID: &str = "imagioo";
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);
/// Its filer waits 15 s for streams of its own other halves. Whoever used it is gone by then, and what it has answered
/// is in its files, so it may as well be killed.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// One server with master, volumes, filer and S3 gateway in one process. Dropping it kills it.
#[derive(Debug)]
pub struct SeaweedFs {
    program: String,
    home: Home,
    secret: String,
    ports: Ports,
    process: Option<Leash>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    s3: u16,
    /// Of the master, the volumes, the filer and the gateway: HTTP, then gRPC.
    inner: [u16; 7],
}

impl SeaweedFs {
    /// A server whose objects stay in `folder`; nothing runs yet.
    ///
    /// # Errors
    /// There is no program to be had, or the folder cannot be written.
    pub async fn keep(folder: &Path) -> anyhow::Result<Self> {
        let program = programs::find("seaweedfs").await?;
        let home = Home::keep(folder)?;
        let secret =
            home.secret("secret", || format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple()))?;
        let identity = format!(
            r#"{{"identities":[{{"name":"imagioo","credentials":[{{"accessKey":"{ACCESS_KEY_ID}","secretKey":"{secret}"}}],"actions":["Admin","Read","Write","List"]}}]}}"#
        );
        home.write_private("s3.json", &identity)?;
        std::fs::create_dir_all(home.path().join("data"))?;
        let [s3, inner @ ..] = free_ports::<8>()?;
        Ok(Self { program, home, secret, ports: Ports { s3, inner }, process: None })
    }

    /// Its address, without the bucket: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Who may read and write the bucket, and the secret that signs.
    #[must_use]
    pub fn credentials(&self) -> (&str, &str) {
        (ACCESS_KEY_ID, &self.secret)
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.s3).into()
    }

    /// Loopback only, no telemetry to its makers, no sockets outside of the folder, none of its other doors.
    fn command(&self) -> Command {
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc] = self.ports.inner;
        let file = |name| self.home.file(name);
        let mut command = Command::new(&self.program);
        command.args([
            "-logtostderr".to_owned(),
            "server".to_owned(),
            format!("-dir={}", file("data")),
            "-ip=127.0.0.1".to_owned(),
            "-ip.bind=127.0.0.1".to_owned(),
            format!("-master.port={master}"),
            format!("-master.port.grpc={master_grpc}"),
            "-master.telemetry=false".to_owned(),
            "-master.volumeSizeLimitMB=256".to_owned(),
            // Nobody else is there to learn that it stops.
            "-volume.preStopSeconds=0".to_owned(),
            format!("-volume.port={volume}"),
            format!("-volume.port.grpc={volume_grpc}"),
            "-filer".to_owned(),
            format!("-filer.port={filer}"),
            format!("-filer.port.grpc={filer_grpc}"),
            format!("-filer.localSocket={}", file("filer.sock")),
            "-s3".to_owned(),
            format!("-s3.port={}", self.ports.s3),
            format!("-s3.port.grpc={s3_grpc}"),
            format!("-s3.localSocket={}", file("s3.sock")),
            format!("-s3.config={}", file("s3.json")),
            "-s3.iam=false".to_owned(),
            "-s3.port.iceberg=0".to_owned(),
            "-s3.port.lance=0".to_owned(),
        ]);
        command
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(self.home.output())
            .stderr(self.home.output());
        command
    }
}

#[async_trait]
impl Process for SeaweedFs {
    async fn boot(&mut self) -> anyhow::Result<()> {
        self.home.trim_output();
        let mut process = Leash::spawn(&mut self.command())?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address()).await.is_err() {
            if process.has_ended() || Instant::now() > deadline {
                bail!("SeaweedFS does not start: {}", self.home.last_words());
            }
            sleep(LOOK).await;
        }
        self.process = Some(process);
        Ok(())
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
            Some(mut process) => process.stop_or_kill(STOP_WITHIN).await.map(drop),
            None => Ok(()),
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.process.as_ref().and_then(Leash::pid)
    }
}
