//! Everything a server is launched from: its folder, its user, its programs, its password and its settings.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::account::Account;
use super::binaries::Binaries;
use super::cluster::SUPERUSER;
use super::folder::Folder;
use super::server::STOP_WITHIN;

/// `cannot_connect_now`: starting up, recovering or shutting down.
const NOT_NOW: &str = "57P03";

/// What a server is launched from.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) folder: Folder,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
    pub(super) password: SecretString,
    pub(super) durable: bool,
}

/// What a server says to a first connection.
pub(super) enum Answer {
    Ready,
    NotNow,
    Nobody,
    Refused(sqlx::Error),
}

impl Site {
    /// Starts the server on a loopback port.
    pub(super) fn launch_command(&self, port: u16) -> Command {
        let mut command = self.account.command(&self.binaries.program("postgres"), &self.folder);
        command.arg("-D").arg(self.folder.data()).arg("-k").arg(self.folder.socket());
        for (name, value) in self.settings(port) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }

    /// Stops a server that is not our child; relies on the cluster's own lock to find it.
    pub(super) fn stop_command(&self) -> Command {
        let mut command = self.account.command(&self.binaries.program("pg_ctl"), &self.folder);
        command.args(["stop", "--wait", "--mode=fast"]);
        command.arg(format!("--timeout={}", STOP_WITHIN.as_secs())).arg("--pgdata").arg(self.folder.data());
        command
    }

    /// Connects through the folder's own socket, so that whoever answers is the folder's own server.
    pub(super) async fn ask(&self, port: u16) -> Answer {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.folder.socket())
            .port(port)
            .username(SUPERUSER)
            .password(self.password.expose_secret())
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        match PgConnection::connect_with(&options).await {
            Ok(connection) => {
                // It answered, which is all that was asked.
                drop(connection.close().await);
                Answer::Ready
            }
            Err(sqlx::Error::Io(_)) => Answer::Nobody,
            Err(error) => match error.as_database_error().and_then(|error| error.code()) {
                Some(code) if code == NOT_NOW => Answer::NotNow,
                _ => Answer::Refused(error),
            },
        }
    }

    /// Small memory, loopback only, and a log without users' data. Even an undurable commit survives the
    /// server's own death, only not the machine's.
    fn settings(&self, port: u16) -> [(&'static str, String); 11] {
        let durable = if self.durable { "on" } else { "off" };
        [
            ("port", port.to_string()),
            ("listen_addresses", String::from("127.0.0.1")),
            ("unix_socket_permissions", String::from("0700")),
            ("max_connections", String::from("100")),
            ("shared_buffers", String::from("32MB")),
            ("fsync", String::from(durable)),
            ("full_page_writes", String::from(durable)),
            ("password_encryption", String::from("scram-sha-256")),
            ("logging_collector", String::from("off")),
            ("log_error_verbosity", String::from("terse")),
            ("log_min_error_statement", String::from("panic")),
        ]
    }
}
