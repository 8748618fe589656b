//! The servers beside a command, and the command itself.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use anyhow::Context;
use imagioo_runtime::postgres::{PostgresError, PostgresOptions, PrivatePostgres};
use imagioo_servers::{Process as _, RabbitMq};
use imagioo_testkit::{TEMPLATE_PREFIX, TEST_POSTGRES, TEST_PREFIX, TEST_RABBITMQ};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Where the data is unless the command line says otherwise; ignored by git.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../.local/test");

/// The servers for tests: our own, or those that are named in the environment.
pub(crate) struct Session {
    postgres: Postgres,
    broker: Option<Broker>,
}

struct Postgres {
    admin: SecretString,
    own: Option<PrivatePostgres>,
}

struct Broker {
    url: OsString,
    own: Option<RabbitMq>,
}

impl Session {
    /// Uses the servers of the environment, else starts them, both at once.
    pub(crate) async fn open(data: Option<PathBuf>, with_broker: bool) -> anyhow::Result<Self> {
        let folder = data.clone().unwrap_or_else(|| DATA.into());
        let broker = async { if with_broker { Broker::open(&folder).await.map(Some) } else { Ok(None) } };
        let (postgres, broker) = tokio::join!(Postgres::open(data), broker);
        match (postgres, broker) {
            (Ok(postgres), Ok(broker)) => Ok(Self { postgres, broker }),
            (Ok(postgres), Err(error)) => {
                postgres.close().await?;
                Err(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    pub(crate) const fn admin(&self) -> &SecretString {
        &self.postgres.admin
    }

    /// Runs the command to its end and passes its exit code on, 128 + n for signal n.
    pub(crate) async fn run(
        &self,
        command: &[OsString],
        database: Option<SecretString>,
    ) -> anyhow::Result<ExitCode> {
        let (program, arguments) = command.split_first().context("no command is given")?;
        // Before the command exists, so that no signal finds us unprepared.
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let mut child = Command::new(program)
            .args(arguments)
            .env(TEST_POSTGRES, self.postgres.admin.expose_secret())
            .envs(self.broker.as_ref().map(|broker| (TEST_RABBITMQ, &broker.url)))
            .envs(database.map(|url| ("DATABASE_URL", url.expose_secret().to_owned())))
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        loop {
            tokio::select! {
                status = child.wait() => return Ok(code(status?)),
                // Ctrl-C reaches the command by itself; it decides when it ends, and we after it.
                _ = interrupts.recv() => {}
                _ = terminations.recv() => terminate(&child),
            }
        }
    }

    /// Stops our own servers.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let broker = async {
            match self.broker.and_then(|broker| broker.own) {
                Some(mut own) => own.stop().await,
                None => Ok(()),
            }
        };
        let (broker, postgres) = tokio::join!(broker, self.postgres.close());
        broker.and(postgres)
    }
}

impl Postgres {
    async fn open(data: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(url) = std::env::var_os(TEST_POSTGRES) {
            let admin = url.into_string().ok().context("IMAGIOO_TEST_POSTGRES is not an address")?.into();
            return Ok(Self { admin, own: None });
        }
        let own = match data {
            Some(data) => start(&data).await?,
            None => start_in_repository().await?,
        };
        let admin = own.admin_url();
        remove_remains(&admin).await?;
        Ok(Self { admin, own: Some(own) })
    }

    async fn close(self) -> anyhow::Result<()> {
        match self.own {
            Some(own) => Ok(own.stop().await?),
            None => Ok(()),
        }
    }
}

impl Broker {
    async fn open(folder: &Path) -> anyhow::Result<Self> {
        if let Some(url) = std::env::var_os(TEST_RABBITMQ) {
            return Ok(Self { url, own: None });
        }
        let own = RabbitMq::start(folder).await?;
        Ok(Self { url: own.url().into(), own: Some(own) })
    }
}

async fn start(data: &Path) -> Result<PrivatePostgres, PostgresError> {
    let options = PostgresOptions {
        fetch_into: Some(data.join("programs")),
        durable: false,
        ..PostgresOptions::new(data.join("postgres"))
    };
    PrivatePostgres::start(&options).await
}

/// A clone may lie where the server's user cannot go, or too deep for a socket; the folder of temporary files
/// does not.
async fn start_in_repository() -> Result<PrivatePostgres, PostgresError> {
    match start(Path::new(DATA)).await {
        Err(PostgresError::Unreachable { .. } | PostgresError::PathTooLong { .. }) => {
            start(&std::env::temp_dir().join(format!("imagioo-test-{}", geteuid()))).await
        }
        outcome => outcome,
    }
}

/// Drops what killed tests and older migrations left behind. Nobody else uses a server that we just started.
async fn remove_remains(admin: &SecretString) -> anyhow::Result<()> {
    let mut server = PgConnection::connect(admin.expose_secret()).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select datname::text from pg_database where starts_with(datname, $1) or starts_with(datname, $2)",
    )
    .bind(TEST_PREFIX)
    .bind(TEMPLATE_PREFIX)
    .fetch_all(&mut server)
    .await?;
    for name in names {
        let statement = format!("drop database {name} with (force)");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut server).await?;
    }
    Ok(())
}

fn terminate(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Fails only when it has just ended, which is what was wanted.
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap_or_default();
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
