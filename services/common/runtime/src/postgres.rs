//! A private PostgreSQL server: a child process of imagioo with its data in one folder.
//!
//! The folder is locked for life by the process that started the server. The server runs in its own process
//! group, so that Ctrl-C reaches imagioo first and imagioo stops it last. It listens on a private socket and
//! on loopback only, and every role needs a generated password. A server left over by a killed imagioo is
//! adopted.
//!
//! Under the folder: `data` (the cluster), `socket`, `server.log`, `superuser-password`, `lock`.

mod access;
mod account;
mod binaries;
mod cluster;
mod error;
mod fetch;
mod folder;
mod program;
mod reach;
mod server;
mod site;

use std::path::PathBuf;

use nix::unistd::Pid;
use secrecy::SecretString;

pub use access::{Access, RolePasswords, SERVICE_OWNERS, prepare_database};
pub use error::PostgresError;
pub use fetch::fetch;
pub use reach::folder_in_reach;

use account::Account;
use binaries::Binaries;
use folder::Folder;
use server::Server;
use site::Site;

/// How a private server is run.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder that belongs to this server alone; created when it is missing.
    pub folder: PathBuf,
    /// The folder of the server's programs (`postgres`, `initdb`, `pg_ctl`); searched for when absent.
    pub binaries: Option<PathBuf>,
    /// Where [`fetch`] puts a server when none is installed; absent to refuse instead.
    pub fetch_into: Option<PathBuf>,
    /// Whether a commit survives a power cut. Only tests switch it off.
    pub durable: bool,
}

impl PostgresOptions {
    /// A durable server in `folder`, with installed programs only.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, binaries: None, fetch_into: None, durable: true }
    }
}

/// A running private server. [`Self::stop`] ends it; dropping the value asks it to end and does not wait.
#[derive(Debug)]
pub struct PrivatePostgres {
    // The server is dropped before the lock of its folder is given back.
    server: Server,
    site: Site,
    passwords: RolePasswords,
}

impl PrivatePostgres {
    /// Starts the server of a folder, or adopts the one that a killed process left behind. The first start
    /// creates the cluster.
    ///
    /// # Errors
    /// [`PostgresError`] says what stands in the way and what to do.
    pub async fn start(options: &PostgresOptions) -> Result<Self, PostgresError> {
        let folder = Folder::lock(&options.folder)?;
        let binaries = Binaries::find(&folder, options).await?;
        let account = Account::of(&folder)?;
        folder.prepare(&account)?;
        let password = cluster::ensure(&folder, &account, &binaries).await?;
        let site = Site { folder, account, binaries, password, durable: options.durable };
        let server = Server::start(&site).await?;
        tracing::info!(
            port = server.port(),
            major = site.binaries.major,
            adopted = server.adopted(),
            "postgresql ready"
        );
        Ok(Self { server, site, passwords: RolePasswords::generate() })
    }

    /// The loopback port of this run.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.port()
    }

    /// The superuser's address of the database `postgres`.
    #[must_use]
    pub fn admin_url(&self) -> SecretString {
        access::admin_url(self.port(), &self.site.password)
    }

    /// Creates the database if it is missing, with the roles of every owner, and hands out their addresses.
    /// The roles' passwords are new in every run and are kept in memory only.
    ///
    /// # Errors
    /// [`PostgresError`] when the name is unusable or the server refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<Access, PostgresError> {
        prepare_database(&self.admin_url(), name, &self.passwords).await
    }

    /// The server's main process; nothing for an adopted one, which is not our child, and for one that has ended.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.server.pid()
    }

    /// Launches the server again, under the same addresses, whenever it ends by itself. Runs beside the
    /// process's work, which reconnects; returns only when the server cannot be brought back.
    pub async fn keep_alive(&mut self) -> PostgresError {
        loop {
            self.ended().await;
            tracing::warn!(port = self.port(), "postgresql ended by itself, launching it again");
            if let Err(error) = self.relaunch().await {
                return error;
            }
        }
    }

    /// Waits until the server ends by itself; an adopted one is never seen to end.
    pub async fn ended(&mut self) {
        self.server.ended().await;
    }

    /// Launches a server that has ended, under the same addresses.
    ///
    /// # Errors
    /// [`PostgresError`] says why it cannot be brought back.
    pub async fn relaunch(&mut self) -> Result<(), PostgresError> {
        self.server = Server::launch(&self.site, Some(self.port())).await?;
        Ok(())
    }

    /// Ends the server: open transactions are rolled back, everything committed is on disk.
    ///
    /// # Errors
    /// [`PostgresError`] when it does not end in time; it is then ended by force and recovers at its next
    /// start.
    pub async fn stop(self) -> Result<(), PostgresError> {
        let Self { server, site, .. } = self;
        let outcome = server.stop().await;
        drop(site);
        outcome
    }
}

#[cfg(test)]
mod tests;
