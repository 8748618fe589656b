//! Why a command did not do what was asked, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, ConnectError, KeyError, RpcError};
use imagioo_worker::provider::CallError;
use tonic::Status;

use crate::address::Address;
use crate::exit::Exit;
use crate::profile::ProfileError;

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

    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Rpc(error) => Exit::of(error.code()),
            Self::Unreachable { .. } => Exit::Unavailable,
            Self::Usage { .. } | Self::Connect(_) => Exit::Usage,
            Self::SignedOut { .. } => Exit::SignedOut,
            Self::NotFound(_) => Exit::NotFound,
            Self::Generation(_, failure) => Code::from_reason(&failure.reason)
                .filter(|code| *code == Code::ContentPolicy)
                .map_or(Exit::Failed, Exit::of),
            Self::LostSight { cause, .. } | Self::Unanswered { cause, .. } => cause.exit(),
            Self::Interrupted { .. } => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    /// A stable word for programs.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Rpc(error) => error.code().reason(),
            Self::Unreachable { .. } => Code::Unavailable.reason(),
            Self::Usage { .. } | Self::Connect(_) => Code::InvalidArgument.reason(),
            Self::SignedOut { .. } => Code::Unauthenticated.reason(),
            Self::NotFound(_) => Code::NotFound.reason(),
            Self::Generation(_, failure) => &failure.reason,
            Self::Cancelled(_) => "CANCELLED",
            Self::Unfinished(_) => "UNFINISHED",
            Self::LostSight { cause, .. } | Self::Unanswered { cause, .. } => cause.reason(),
            Self::Interrupted { .. } => "INTERRUPTED",
            _ => "CLIENT",
        }
    }

    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Rpc(error) => return hint_of(error),
            Self::Unreachable { server, .. } if server.is_local() => {
                "is it running? `imagioo serve` starts it; `imagioo doctor` looks closer"
            }
            Self::Unreachable { .. } => "check the address and the network; `imagioo doctor` looks closer",
            Self::Usage { hint, .. } => hint,
            Self::SignedOut { .. } => {
                "sign in with `imagioo login --email ADDRESS`, or create an account with `imagioo signup`"
            }
            Self::Generation(..) => "nothing was charged",
            Self::Unfinished(name) => return Some(format!("follow it with `imagioo show {name}`")),
            Self::LostSight { name, .. } => return Some(resume(name)),
            Self::Interrupted { resume: Some(name) } => {
                return Some(format!("nothing was cancelled; {}", resume(name)));
            }
            Self::Unanswered { request_id, cause } => return Some(unanswered(request_id, cause)),
            Self::Provider { .. } => "check the key and the address; `--no-check` keeps an account unproved",
            Self::Damaged(_) => "download it again",
            Self::Keys(_) => "name the server's folder with `--data` or the keys' with `--keys-dir`",
            _ => "",
        };
        Some(hint.to_owned()).filter(|hint| !hint.is_empty())
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

fn resume(name: &str) -> String {
    format!("`imagioo show {name}` tells how it goes, `imagioo download {name}` saves its images")
}

fn unanswered(request_id: &str, cause: &Failure) -> String {
    let first = cause.hint().map(|hint| format!("{hint}; ")).unwrap_or_default();
    format!("{first}the same command with `--request-id {request_id}` never pays twice")
}

fn hint_of(error: &RpcError) -> Option<String> {
    let hint = match error.code() {
        Code::InsufficientCredits | Code::InDebt | Code::WalletFrozen => {
            "`imagioo balance --statement` shows what you have and why"
        }
        Code::ModelUnknown | Code::SettingUnsupported => "`imagioo models` shows what each model accepts",
        Code::PriceAboveLimit => "raise `--max-credits`, or ask for less",
        Code::RequestIdReused => "repeat the first command exactly, or choose another `--request-id`",
        Code::TooManyWebhooks => "`imagioo webhooks list` shows them, `imagioo webhooks remove` removes one",
        Code::WebhookDisabled => "switch it on with `imagioo webhooks update NAME --enable`",
        Code::EmailTaken => "sign in with `imagioo login --email ADDRESS`",
        Code::Unauthenticated | Code::TokenExpired | Code::TokenRevoked => "sign in with `imagioo login`",
        Code::ApiKeyInvalid => "check `--api-key`, IMAGIOO_API_KEY and the profile",
        Code::RateLimited | Code::QueueFull | Code::Unavailable => return Some(later(error)),
        _ => return None,
    };
    Some(hint.to_owned())
}

fn later(error: &RpcError) -> String {
    match error.delay() {
        Some(delay) => format!("try again in {} s", delay.as_secs().max(1)),
        None => "try again in a moment".to_owned(),
    }
}

/// An error with everything beneath it, on one line.
struct Chain<'a, E>(&'a E);

impl<E: StdError + 'static> fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

/// Only the deepest cause: the layers above a broken connection repeat that it is one.
struct Innermost<'a>(&'a Status);

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut deepest: &(dyn StdError + 'static) = self.0;
        while let Some(error) = deepest.source() {
            deepest = error;
        }
        write!(f, "{deepest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
