//! How a failed command ends: a number for scripts, a word for programs.

use imagioo_rpc::Code;

use super::Failure;
use crate::exit::Exit;

impl Failure {
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
}
