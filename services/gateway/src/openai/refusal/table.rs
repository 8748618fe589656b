//! The table from imagioo's codes, and from the reasons of failed generations, to OpenAI's status, type and code.

use http::StatusCode;
use imagioo_rpc::Code;

pub(super) const INVALID: &str = "invalid_request_error";
pub(super) const SERVER: &str = "server_error";
pub(super) const USER: &str = "image_generation_user_error";

/// The status, type and code of an outcome.
pub(super) fn row(code: Code) -> (StatusCode, &'static str, &'static str) {
    const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
    match code {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, INVALID, "invalid_value"),
        Code::SettingUnsupported => (StatusCode::BAD_REQUEST, INVALID, "unsupported_value"),
        Code::ImageUnusable => (StatusCode::BAD_REQUEST, INVALID, "invalid_image_file"),
        Code::ContentPolicy => (StatusCode::BAD_REQUEST, USER, "moderation_blocked"),
        Code::ModelUnknown | Code::ModelSunset => (StatusCode::NOT_FOUND, INVALID, "model_not_found"),
        Code::InsufficientCredits => (TOO_MANY, "insufficient_quota", "insufficient_quota"),
        Code::WalletFrozen | Code::InDebt => (TOO_MANY, "billing_not_active", "billing_not_active"),
        Code::RateLimited | Code::QueueFull | Code::TooManyWatches | Code::WatchTooSlow => {
            (TOO_MANY, "requests", "rate_limit_exceeded")
        }
        Code::TooLarge => (code.http(), INVALID, "request_too_large"),
        Code::RequestIdReused => (code.http(), INVALID, "idempotency_key_reused"),
        Code::RequestGivenUp => (code.http(), INVALID, "idempotency_key_given_up"),
        Code::NotFound => (code.http(), INVALID, "not_found"),
        Code::Unimplemented => (StatusCode::NOT_FOUND, INVALID, "unknown_url"),
        Code::Unauthenticated
        | Code::ApiKeyInvalid
        | Code::TokenExpired
        | Code::TokenRevoked
        | Code::WrongCredentials => (StatusCode::UNAUTHORIZED, INVALID, "invalid_api_key"),
        Code::PermissionDenied => (code.http(), INVALID, "insufficient_permissions"),
        Code::DeadlineExceeded => (code.http(), SERVER, "deadline_exceeded"),
        Code::Unavailable => (code.http(), SERVER, "unavailable"),
        Code::Internal => (code.http(), SERVER, "internal_error"),
        Code::PriceAboveLimit
        | Code::EmailTaken
        | Code::NameTaken
        | Code::EtagMismatch
        | Code::QuotaExceeded
        | Code::PasswordTooWeak
        | Code::TooManyWebhooks
        | Code::WebhookDisabled
        | Code::LeaseLost => (StatusCode::BAD_REQUEST, INVALID, "invalid_request"),
    }
}

/// The same for a generation that ended without an image.
pub(super) fn ending(reason: &str) -> (StatusCode, &'static str) {
    match reason {
        "CONTENT_POLICY" => (StatusCode::BAD_REQUEST, USER),
        "SETTING_UNSUPPORTED"
        | "INPUT_GONE"
        | "INPUT_UNUSABLE"
        | "PROVIDER_REJECTED"
        | "OWN_KEY_REFUSED"
        | "OWN_KEY_EXHAUSTED"
        | "OWN_KEY_GONE"
        | "OWN_KEY_UNREADABLE" => (StatusCode::BAD_REQUEST, INVALID),
        "DEADLINE_EXCEEDED" | "PROVIDER_TIMEOUT" => (StatusCode::GATEWAY_TIMEOUT, SERVER),
        "PROVIDER_UNAVAILABLE" | "PROVIDER_RATE_LIMITED" | "PROVIDER_QUOTA" | "STORAGE_UNAVAILABLE" => {
            (StatusCode::SERVICE_UNAVAILABLE, SERVER)
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, SERVER),
    }
}

/// What OpenAI calls a field of ours.
pub(super) fn param(field: &str) -> Option<String> {
    let name = match field.strip_prefix("settings.").unwrap_or(field) {
        "count" => "n",
        "format" => "output_format",
        "compression" => "output_compression",
        "operation" => "model",
        "request_id" => return None,
        field if field.starts_with("references") => "image",
        other => other,
    };
    Some(name.to_owned())
}
