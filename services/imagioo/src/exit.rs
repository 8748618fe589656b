//! How the process ends: one number per kind of outcome, so that scripts can tell them apart.

use std::process::ExitCode;

use imagioo_rpc::Code;

/// The codes as `--help` explains them.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  done
    1  failed: the generation failed, a check found something, or a fault
    2  wrong usage: an argument or a setting is not accepted
    3  not signed in, or not allowed
    4  there is no such thing
    5  not enough credits
    6  refused by the content policy
    7  the server cannot be reached or is too busy: try again later
  130  interrupted";

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// A generation failed, a check found something, or a fault.
    Failed = 1,
    /// An argument or a setting is not accepted.
    Usage = 2,
    /// No valid credentials, or not enough rights.
    SignedOut = 3,
    /// No such thing, or not this person's.
    NotFound = 4,
    /// The balance does not allow it.
    Credits = 5,
    /// Refused by a content policy.
    Refused = 6,
    /// Not reachable or too busy.
    Unavailable = 7,
    /// Stopped by the person.
    Interrupted = 130,
}

impl Exit {
    /// The end of a call that failed with `code`: one row for each code, so that a new one does not compile without.
    pub(crate) fn of(code: Code) -> Self {
        match code {
            Code::InvalidArgument
            | Code::ModelUnknown
            | Code::ModelSunset
            | Code::SettingUnsupported
            | Code::ImageUnusable
            | Code::TooLarge
            | Code::PriceAboveLimit
            | Code::RequestIdReused
            | Code::NameTaken
            | Code::EtagMismatch
            | Code::QuotaExceeded
            | Code::TooManyWebhooks
            | Code::WebhookDisabled
            | Code::EmailTaken
            | Code::PasswordTooWeak => Self::Usage,
            Code::WrongCredentials
            | Code::Unauthenticated
            | Code::ApiKeyInvalid
            | Code::TokenExpired
            | Code::TokenRevoked
            | Code::PermissionDenied => Self::SignedOut,
            Code::NotFound => Self::NotFound,
            Code::InsufficientCredits | Code::InDebt | Code::WalletFrozen => Self::Credits,
            Code::ContentPolicy => Self::Refused,
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::RateLimited
            | Code::QueueFull
            | Code::TooManyWatches
            | Code::WatchTooSlow
            | Code::RequestGivenUp => Self::Unavailable,
            Code::LeaseLost | Code::Unimplemented | Code::Internal => Self::Failed,
        }
    }

    /// The number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_can_tell_outcomes_apart() {
        let expected = [
            (Code::InvalidArgument, 2),
            (Code::PriceAboveLimit, 2),
            (Code::ModelSunset, 2),
            (Code::ImageUnusable, 2),
            (Code::TooLarge, 2),
            (Code::WebhookDisabled, 2),
            (Code::WrongCredentials, 3),
            (Code::TokenRevoked, 3),
            (Code::NotFound, 4),
            (Code::InsufficientCredits, 5),
            (Code::ContentPolicy, 6),
            (Code::Unavailable, 7),
            (Code::RateLimited, 7),
            (Code::RequestGivenUp, 7),
            (Code::Internal, 1),
        ];
        for (code, number) in expected {
            assert_eq!(Exit::of(code).number(), number, "{code:?}");
        }
    }

    #[test]
    fn every_number_is_documented() {
        for code in Code::ALL {
            let number = format!("{:>5}  ", Exit::of(*code).number());
            assert!(TABLE.lines().any(|line| line.starts_with(&number)), "{code:?}");
        }
    }
}
