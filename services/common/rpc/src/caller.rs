//! Who is calling, as the authentication layers proved it.

use std::sync::Arc;

use http::{HeaderMap, header};
use imagioo_types::{Identity, ServiceName};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use crate::{Code, RpcError};

/// A verified user and the token that proves it, for passing on.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who is calling.
    pub identity: Identity,
    /// The access token as it arrived.
    pub token: Arc<str>,
}

/// The user behind a request.
///
/// # Errors
/// [`Code::Unauthenticated`] when no valid access token came with it.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, RpcError> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| {
        RpcError::new(Code::Unauthenticated, "sign in, or send an API key, in the `authorization` header")
    })
}

/// The service behind an internal request.
///
/// # Errors
/// [`Code::Unauthenticated`] when no service token came with it.
pub fn service<T>(request: &Request<T>) -> Result<ServiceName, RpcError> {
    request
        .extensions()
        .get::<ServiceName>()
        .copied()
        .ok_or_else(|| RpcError::new(Code::Unauthenticated, "this method is for services only"))
}

/// A request that carries the user's token to the next service.
#[must_use]
pub fn on_behalf_of<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Ok(value) = bearer(&caller.token) {
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// The token of an `authorization: Bearer` header, if there is one (RFC 6750; the scheme's case does not matter).
///
/// # Errors
/// [`Code::Unauthenticated`] for a header that is something else.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<Arc<str>>, RpcError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    let token = parts.filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty());
    let token = token.ok_or_else(|| {
        RpcError::new(Code::Unauthenticated, "the `authorization` header must be `Bearer` and a token")
    })?;
    Ok(Some(token.1.into()))
}

/// A token as the value of an `authorization` header.
///
/// # Errors
/// [`Code::Unauthenticated`] for text that no header can carry.
pub fn bearer(token: &str) -> Result<MetadataValue<Ascii>, RpcError> {
    let mut value = format!("Bearer {token}")
        .parse::<MetadataValue<Ascii>>()
        .map_err(|error| RpcError::new(Code::Unauthenticated, "the token is not text").caused_by(error))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_read() {
        let read = |value: &'static str| {
            bearer_token(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("header"))]))
        };
        assert_eq!(read("Bearer abc").expect("token").as_deref(), Some("abc"));
        assert_eq!(read("bearer abc").expect("token").as_deref(), Some("abc"));
        for other in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(read(other).expect_err(other).code(), Code::Unauthenticated);
        }
        assert!(bearer_token(&HeaderMap::new()).expect("no header").is_none());
    }
}
