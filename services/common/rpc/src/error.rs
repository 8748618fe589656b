//! The error of every call: an AIP-193 status that says what happened and what to do.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::{Code as Grpc, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::Code;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "imagioo";

/// A failed call. Converts to a [`Status`] with `ErrorInfo`, `BadRequest` and `RetryInfo` details (AIP-193), and back.
#[derive(Debug)]
pub struct RpcError(Box<Parts>);

/// Boxed, so that a `Result` with this error stays small.
#[derive(Debug)]
struct Parts {
    code: Code,
    message: String,
    fields: Vec<(String, String)>,
    retry_after: Option<Duration>,
    details: HashMap<String, String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl RpcError {
    /// An error with a message for the caller: what happened and what to do.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            fields: Vec::new(),
            retry_after: None,
            details: HashMap::new(),
            cause: None,
        }))
    }

    /// A fault of ours. The caller sees no more than that; the log gets the cause.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "something went wrong on our side; try again later").caused_by(cause)
    }

    /// Nothing there, or not the caller's; the answer is the same.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// Names a field of the request and what is wrong with it.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.fields.push((path.into(), description.into()));
        self
    }

    /// Says how long to wait before trying again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds a machine-readable fact.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.0.details.insert(key.to_owned(), value.to_string());
        self
    }

    /// Keeps what went wrong inside, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Why the call failed.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Fields of the request and what is wrong with each.
    #[must_use]
    pub fn violations(&self) -> &[(String, String)] {
        &self.0.fields
    }

    /// How long to wait before trying again.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Writes what went wrong inside to the log. Called once, where the error leaves the process.
    pub fn log(&self) {
        let Some(cause) = &self.0.cause else { return };
        let (reason, chain) = (self.0.code.reason(), Chain(cause.as_ref()));
        if self.0.code.grpc() == Grpc::Internal {
            tracing::error!(reason, cause = %chain, "call failed");
        } else {
            tracing::warn!(reason, cause = %chain, "call failed");
        }
    }

    /// Machine-readable facts.
    #[must_use]
    pub fn details(&self) -> &HashMap<String, String> {
        &self.0.details
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.reason(), self.0.message)?;
        for (path, description) in &self.0.fields {
            write!(f, "; {path}: {description}")?;
        }
        Ok(())
    }
}

impl StdError for RpcError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<RpcError> for Status {
    fn from(error: RpcError) -> Self {
        error.log();
        let RpcError(error) = error;
        let mut details = ErrorDetails::new();
        details.set_error_info(error.code.reason(), DOMAIN, error.details);
        if !error.fields.is_empty() {
            let violations: Vec<_> = error
                .fields
                .into_iter()
                .map(|(path, description)| FieldViolation::new(path, description))
                .collect();
            details.set_bad_request(violations);
        }
        if error.retry_after.is_some() {
            details.set_retry_info(error.retry_after);
        }
        Self::with_error_details(error.code.grpc(), error.message, details)
    }
}

impl From<Status> for RpcError {
    fn from(status: Status) -> Self {
        if died_on_the_way(&status) {
            return Self::new(Code::Unavailable, "a part of imagioo went away during the call: try again")
                .caused_by(status);
        }
        let details = status.get_error_details();
        let known = details.error_info().and_then(|info| Code::from_reason(&info.reason));
        let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        let mut error = Self::new(known.unwrap_or_else(|| Code::from_grpc(status.code())), status.message());
        error.0.fields =
            fields.iter().map(|field| (field.field.clone(), field.description.clone())).collect();
        error.0.retry_after = details.retry_info().and_then(|info| info.retry_delay);
        error.0.details = details.error_info().map(|info| info.metadata.clone()).unwrap_or_default();
        error
    }
}

/// Whether no server said this: the connection broke, which the client's library reports as a fault of unknown kind. What
/// a server says has no source.
fn died_on_the_way(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Unknown | tonic::Code::Internal) && status.source().is_some()
}

/// An error with everything beneath it, on one line.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_breaks_during_a_call_is_no_fault_of_the_called() {
        let broken = Status::from_error(std::io::Error::other("connection reset").into());
        assert_eq!(RpcError::from(broken).code(), Code::Unavailable);
        assert_eq!(RpcError::from(Status::internal("said by a server")).code(), Code::Internal);
    }

    #[test]
    fn an_error_survives_the_wire() {
        let sent = RpcError::new(Code::InsufficientCredits, "buy more credits")
            .field("count", "costs 4")
            .detail("available", 3)
            .retry_after(Duration::from_secs(7));
        let received = RpcError::from(Status::from(sent));
        assert_eq!(received.code(), Code::InsufficientCredits);
        assert_eq!(received.message(), "buy more credits");
        assert_eq!(received.violations(), [("count".to_owned(), "costs 4".to_owned())]);
        assert_eq!(received.details()["available"], "3");
        assert_eq!(received.delay(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_cause_never_leaves_the_process() {
        let status = Status::from(RpcError::internal("password=hunter2"));
        assert!(!format!("{status:?}").contains("hunter2"));
    }

    #[test]
    fn a_foreign_status_keeps_its_meaning() {
        let error = RpcError::from(Status::unavailable("connection refused"));
        assert_eq!(error.code(), Code::Unavailable);
    }
}
