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
