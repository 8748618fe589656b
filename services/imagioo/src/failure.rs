//! Why a command did not do what was asked, and what to do about it.

mod cause;
mod ending;
mod hint;

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, ConnectError, KeyError, RpcError};
use imagioo_worker::provider::CallError;
use tonic::Status;

use crate::address::Address;
use crate::profile::ProfileError;
use cause::{Chain, Innermost};

/// A command that failed. `Display` says what happened in one sentence; [`Failure::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server answered with a refusal.
    #[error("{}", .0.message())]
    Rpc(Box<RpcError>),
    /// No answer came.
    #[error("cannot reach {server}: {}", Innermost(.status))]
    Unreachable {
        server: Address,
        #[source]
        status: Box<Status>,
    },
    /// An argument is not accepted.
    #[error("{message}")]
    Usage { message: String, hint: &'static str },
    /// Nobody is signed in.
    #[error("{message}")]
    SignedOut { message: String },
    /// There is no such thing here.
    #[error("{0}")]
    NotFound(String),
    /// The generation ended without an image.
    #[error("{0} failed: {message}", message = .1.message)]
    Generation(String, Box<wire::Failure>),
    /// The generation was cancelled.
    #[error("{0} was cancelled")]
    Cancelled(String),
    /// The generation has not ended, so it has no images to give.
    #[error("{0} has not ended yet")]
    Unfinished(String),
    /// Waiting was given up; the generation goes on.
    #[error("lost sight of {name}, which goes on: {cause}")]
    LostSight { name: String, cause: Box<Self> },
    /// Nobody knows whether a generation was accepted.
    #[error("{cause}")]
    Unanswered { request_id: String, cause: Box<Self> },
    /// An image did not arrive as it was stored.
    #[error("{0} was damaged on the way; nothing was saved")]
    Damaged(String),
    /// The server's answer lacks something.
    #[error("the server's answer lacks {0}: client and server may be of different versions")]
    Incomplete(&'static str),
    /// The person stopped it.
    #[error("interrupted")]
    Interrupted {
        /// The generation that goes on.
        resume: Option<String>,
    },
    /// The profiles cannot be used.
    #[error("{}", Chain(.0))]
    Profile(#[from] ProfileError),
    /// The operator's keys cannot be used.
    #[error("{}", Chain(.0))]
    Keys(#[from] KeyError),
    /// The address is none.
    #[error("{}", Chain(.0))]
    Connect(#[from] ConnectError),
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The password or prompt cannot be read.
    #[error("cannot read the {0}: {1}")]
    Input(&'static str, #[source] io::Error),
    /// The answer cannot be printed.
    #[error("cannot write the answer: {0}")]
    Output(#[source] io::Error),
    /// A provider does not accept an account, or is not there.
    #[error("{name}: {error}")]
    Provider {
        name: String,
        #[source]
        error: Box<CallError>,
    },
    /// A task of this process ended early.
    #[error("a part of this program failed")]
    Broken,
}

impl Failure {
    /// What a status of the server at `server` means.
    pub(crate) fn of_status(server: &Address, status: Status) -> Self {
        // Only what this side noticed has a source: a refused or broken connection, a deadline that passed.
        if status.source().is_some() {
            return Self::Unreachable { server: server.clone(), status: Box::new(status) };
        }
        RpcError::from(status).into()
    }

    /// A refusal of an argument.
    pub(crate) fn usage(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Usage { message: message.into(), hint }
    }

    /// Fields of the request and what is wrong with each.
    pub(crate) fn violations(&self) -> &[(String, String)] {
        match self {
            Self::Rpc(error) => error.violations(),
            _ => &[],
        }
    }

    /// Whether trying again soon may help; says nothing about whether it is safe.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Rpc(error) => matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded),
            _ => false,
        }
    }

    /// Whether another access token may help: this one is past its time, or signed with a key that was replaced.
    pub(crate) fn is_stale_token(&self) -> bool {
        matches!(self, Self::Rpc(error) if matches!(error.code(), Code::TokenExpired | Code::Unauthenticated))
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn failed(reason: &str) -> Failure {
        let failure = wire::Failure { reason: reason.to_owned(), ..wire::Failure::default() };
        Failure::Generation("generations/gen_1".to_owned(), Box::new(failure))
    }

    #[test]
    fn a_refused_generation_ends_otherwise_than_a_failed_one() {
        assert_eq!(failed("CONTENT_POLICY").exit(), Exit::Refused);
        assert_eq!(failed("PROVIDER_UNAVAILABLE").exit(), Exit::Failed);
        assert_eq!(failed("UNAVAILABLE").exit(), Exit::Failed);
    }

    #[test]
    fn a_broken_connection_names_the_server_and_the_deepest_cause() {
        let mut status = Status::unknown("h2 protocol error: error reading a body from connection");
        status.set_source(std::sync::Arc::new(io::Error::other("connection reset")));
        let failure = Failure::of_status(&Address::default(), status);
        assert_eq!(format!("{failure}"), "cannot reach http://127.0.0.1:7420: connection reset");
        assert_eq!(failure.exit(), Exit::Unavailable);
        assert!(failure.is_transient());
    }

    #[test]
    fn a_refusal_keeps_its_fields_and_is_not_tried_again() {
        let refusal = RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("count", "at most 4");
        let failure = Failure::of_status(&Address::default(), refusal.into());
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(failure.violations(), [("count".to_owned(), "at most 4".to_owned())]);
        assert!(!failure.is_transient());
    }

    #[test]
    fn an_interruption_says_how_to_go_on() {
        let failure = Failure::Interrupted { resume: Some("generations/gen_1".to_owned()) };
        assert_eq!(failure.exit(), Exit::Interrupted);
        assert!(failure.hint().expect("a hint").contains("imagioo show generations/gen_1"));
    }
}
