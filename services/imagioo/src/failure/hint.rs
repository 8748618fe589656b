//! What a person can do about a failure.

use imagioo_rpc::{Code, RpcError};

use super::Failure;

impl Failure {
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
            Self::Generation(_, failure) if failure.reason.starts_with("OWN_KEY_") => {
                "nothing was charged; `imagioo own-keys list` shows your keys, `imagioo own-keys set` replaces one"
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
}

fn resume(name: &str) -> String {
    format!("`imagioo show {name}` tells how it goes, `imagioo download {name}` saves its images")
}

fn unanswered(request_id: &str, cause: &Failure) -> String {
    let first = cause.hint().map(|hint| format!("{hint}; ")).unwrap_or_default();
    format!("{first}the same command with `--request-id {request_id}` never pays twice")
}

/// One row for each code, so that a new one does not compile without.
fn hint_of(error: &RpcError) -> Option<String> {
    let hint = match error.code() {
        Code::InsufficientCredits | Code::InDebt | Code::WalletFrozen => {
            "`imagioo balance --statement` shows what you have and why"
        }
        Code::ModelUnknown => "`imagioo models` shows what there is",
        Code::SettingUnsupported => return Some(other_models(error)),
        Code::ModelSunset => "name its successor with `--model`; `imagioo models` shows what is offered",
        Code::ImageUnusable => "send a whole PNG, JPEG or WebP with a single picture",
        Code::TooLarge => "make the file smaller: fewer pixels, or JPEG or WebP in place of PNG",
        Code::ContentPolicy => "nothing was charged; say it differently, or begin with another picture",
        Code::PriceAboveLimit => "raise `--max-credits`, or ask for less",
        Code::RequestIdReused => "repeat the first command exactly, or choose another `--request-id`",
        Code::TooManyWebhooks => "`imagioo webhooks list` shows them, `imagioo webhooks remove` removes one",
        Code::WebhookDisabled => "switch it on with `imagioo webhooks update NAME --enable`",
        Code::EmailTaken => "sign in with `imagioo login --email ADDRESS`",
        Code::Unauthenticated | Code::TokenExpired | Code::TokenRevoked => "sign in with `imagioo login`",
        Code::ApiKeyInvalid => "check `--api-key`, IMAGIOO_API_KEY and the profile",
        Code::WrongCredentials => "check the address and the password; `imagioo signup` creates an account",
        Code::PermissionDenied => "`imagioo whoami` shows who you are here, and what you may do",
        Code::NameTaken => "choose another name",
        Code::EtagMismatch => "the same command once more begins with what is there now",
        Code::QuotaExceeded => "delete one that you no longer need",
        Code::PasswordTooWeak => "choose a longer password that nobody else would think of",
        Code::TooManyWatches => "end another `imagioo watch` first",
        Code::WatchTooSlow => "`imagioo watch` goes on from now",
        Code::RequestGivenUp => "nothing is held; the same command without `--request-id` begins anew",
        Code::Unimplemented => "client and server are of different versions: `imagioo doctor` looks closer",
        Code::RateLimited | Code::QueueFull | Code::Unavailable => return Some(later(error)),
        Code::DeadlineExceeded => "try again in a moment",
        // The message says all there is.
        Code::InvalidArgument | Code::NotFound | Code::LeaseLost | Code::Internal => return None,
    };
    Some(hint.to_owned())
}

/// The models that would take the same request, as the server named them.
fn other_models(error: &RpcError) -> String {
    let named = error.details().get("models").map(String::as_str).unwrap_or_default();
    let named = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    let choices: Vec<_> =
        named.map(|name| format!("`--model {}`", name.trim_start_matches("models/"))).collect();
    match choices.as_slice() {
        [] => "`imagioo models NAME` shows what a model accepts".to_owned(),
        [only] => format!("{only} would take it; `imagioo models NAME` shows what a model accepts"),
        some => {
            format!("{} would take it; `imagioo models NAME` shows what a model accepts", some.join(" or "))
        }
    }
}

fn later(error: &RpcError) -> String {
    match error.delay() {
        Some(delay) => format!("try again in {} s", delay.as_secs().max(1)),
        None => "try again in a moment".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_do_something_about_a_refusal_is_told_what() {
        let silent = [Code::InvalidArgument, Code::NotFound, Code::LeaseLost, Code::Internal];
        for code in Code::ALL {
            let hint = hint_of(&RpcError::new(*code, "refused"));
            assert_eq!(hint.is_none(), silent.contains(code), "{code:?}: {hint:?}");
        }
    }

    #[test]
    fn the_models_that_would_do_are_named_as_they_are_typed() {
        let refusal = || RpcError::new(Code::SettingUnsupported, "cannot");
        let named = hint_of(&refusal().detail("models", "models/a,models/b")).expect("a hint");
        assert!(named.starts_with("`--model a` or `--model b` would take it"), "{named}");
        let none = hint_of(&refusal()).expect("a hint");
        assert_eq!(none, "`imagioo models NAME` shows what a model accepts");
    }
}
