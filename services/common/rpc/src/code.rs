//! The table of outcomes: one row per reason, with its gRPC code and HTTP status side by side.

use http::StatusCode;
use tonic::Code as Grpc;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident, $reason:literal, $grpc:ident, $http:ident;)+) => {
        /// Why a call failed. The reason is stable; clients may switch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])+ $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable reason of `google.rpc.ErrorInfo`.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)+ }
            }

            /// The gRPC status code.
            #[must_use]
            pub const fn grpc(self) -> Grpc {
                match self { $(Self::$variant => Grpc::$grpc,)+ }
            }

            /// The HTTP status of the same outcome.
            #[must_use]
            pub const fn http(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$http,)+ }
            }
        }
    };
}

codes! {
    /// A field breaks a rule that its description states.
    InvalidArgument, "INVALID_ARGUMENT", InvalidArgument, BAD_REQUEST;
    /// The catalogue has no such model.
    ModelUnknown, "MODEL_UNKNOWN", InvalidArgument, BAD_REQUEST;
    /// The model is past its sunset; the answer names its successor.
    ModelSunset, "MODEL_SUNSET", FailedPrecondition, GONE;
    /// A picture that was sent is none that can be kept or used.
    ImageUnusable, "IMAGE_UNUSABLE", InvalidArgument, BAD_REQUEST;
    /// More bytes than may be sent.
    TooLarge, "TOO_LARGE", InvalidArgument, PAYLOAD_TOO_LARGE;
    /// The model cannot do what a setting asks.
    SettingUnsupported, "SETTING_UNSUPPORTED", InvalidArgument, BAD_REQUEST;
    /// The price is above the caller's `max_credits`.
    PriceAboveLimit, "PRICE_ABOVE_LIMIT", FailedPrecondition, UNPROCESSABLE_ENTITY;
    /// The prompt or an output was refused.
    ContentPolicy, "CONTENT_POLICY", FailedPrecondition, UNPROCESSABLE_ENTITY;
    /// The balance is too small.
    InsufficientCredits, "INSUFFICIENT_CREDITS", FailedPrecondition, PAYMENT_REQUIRED;
    /// The wallet is frozen by a payment dispute.
    WalletFrozen, "WALLET_FROZEN", FailedPrecondition, PAYMENT_REQUIRED;
    /// Credits are owed after a refund.
    InDebt, "IN_DEBT", FailedPrecondition, PAYMENT_REQUIRED;
    /// The idempotency key was used with another body.
    RequestIdReused, "REQUEST_ID_REUSED", AlreadyExists, CONFLICT;
    /// The call with this idempotency key was given up before it was done; a new key begins anew.
    RequestGivenUp, "REQUEST_GIVEN_UP", Aborted, CONFLICT;
    /// No such thing, or not the caller's.
    NotFound, "NOT_FOUND", NotFound, NOT_FOUND;
    /// Something of this name exists.
    NameTaken, "NAME_TAKEN", AlreadyExists, CONFLICT;
    /// It was changed since the caller read it.
    EtagMismatch, "ETAG_MISMATCH", Aborted, PRECONDITION_FAILED;
    /// The caller has as many as anybody may have.
    QuotaExceeded, "QUOTA_EXCEEDED", ResourceExhausted, UNPROCESSABLE_ENTITY;
    /// The e-mail address has an account.
    EmailTaken, "EMAIL_TAKEN", AlreadyExists, CONFLICT;
    /// The password is too common.
    PasswordTooWeak, "PASSWORD_TOO_WEAK", InvalidArgument, BAD_REQUEST;
    /// Address and password do not belong together.
    WrongCredentials, "WRONG_CREDENTIALS", Unauthenticated, UNAUTHORIZED;
    /// No credentials, or ones that prove nothing.
    Unauthenticated, "UNAUTHENTICATED", Unauthenticated, UNAUTHORIZED;
    /// The API key is unknown, revoked or expired.
    ApiKeyInvalid, "API_KEY_INVALID", Unauthenticated, UNAUTHORIZED;
    /// The access token is past its time.
    TokenExpired, "TOKEN_EXPIRED", Unauthenticated, UNAUTHORIZED;
    /// The session or key behind the token was revoked.
    TokenRevoked, "TOKEN_REVOKED", Unauthenticated, UNAUTHORIZED;
    /// The caller may not do this.
    PermissionDenied, "PERMISSION_DENIED", PermissionDenied, FORBIDDEN;
    /// Too many calls; the answer says when to try again.
    RateLimited, "RATE_LIMITED", ResourceExhausted, TOO_MANY_REQUESTS;
    /// Too many generations of one user are waiting.
    QueueFull, "QUEUE_FULL", ResourceExhausted, TOO_MANY_REQUESTS;
    /// The caller has as many streams open as anybody may have.
    TooManyWatches, "TOO_MANY_WATCHES", ResourceExhausted, TOO_MANY_REQUESTS;
    /// The reader of a stream took nothing for too long.
    WatchTooSlow, "WATCH_TOO_SLOW", ResourceExhausted, TOO_MANY_REQUESTS;
    /// The user has as many webhook endpoints as allowed.
    TooManyWebhooks, "TOO_MANY_WEBHOOKS", FailedPrecondition, UNPROCESSABLE_ENTITY;
    /// The webhook endpoint is disabled and receives nothing.
    WebhookDisabled, "WEBHOOK_DISABLED", FailedPrecondition, CONFLICT;
    /// The worker no longer holds the generation.
    LeaseLost, "LEASE_LOST", Aborted, CONFLICT;
    /// The deadline passed.
    DeadlineExceeded, "DEADLINE_EXCEEDED", DeadlineExceeded, GATEWAY_TIMEOUT;
    /// The method does not exist here.
    Unimplemented, "UNIMPLEMENTED", Unimplemented, NOT_IMPLEMENTED;
    /// A part of imagioo is not reachable; trying again is safe.
    Unavailable, "UNAVAILABLE", Unavailable, SERVICE_UNAVAILABLE;
    /// A fault of imagioo; the log has the cause.
    Internal, "INTERNAL", Internal, INTERNAL_SERVER_ERROR;
}

impl Code {
    /// The code with this reason.
    #[must_use]
    pub fn from_reason(reason: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.reason() == reason)
    }

    /// The closest code for a status that carries no reason.
    #[must_use]
    pub fn from_grpc(grpc: Grpc) -> Self {
        match grpc {
            Grpc::InvalidArgument | Grpc::OutOfRange => Self::InvalidArgument,
            Grpc::NotFound => Self::NotFound,
            Grpc::Unauthenticated => Self::Unauthenticated,
            Grpc::PermissionDenied => Self::PermissionDenied,
            Grpc::ResourceExhausted => Self::RateLimited,
            Grpc::DeadlineExceeded | Grpc::Cancelled => Self::DeadlineExceeded,
            Grpc::Unimplemented => Self::Unimplemented,
            Grpc::Unavailable => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_is_unique_and_reads_back() {
        let reasons: HashSet<_> = Code::ALL.iter().map(|code| code.reason()).collect();
        assert_eq!(reasons.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_reason(code.reason()), Some(*code));
        }
    }
}
