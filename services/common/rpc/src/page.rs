//! Opaque page tokens (AIP-158): where the next page begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Code, RpcError};

/// Items on a page when the caller does not say.
const DEFAULT_SIZE: i64 = 50;

/// A position as a token.
///
/// # Errors
/// [`Code::Internal`] for a position that has no JSON form.
pub fn encode(position: &impl Serialize) -> Result<String, RpcError> {
    serde_json::to_vec(position).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(RpcError::internal)
}

/// The position inside a token; nothing for the empty token of a first page.
///
/// # Errors
/// [`Code::InvalidArgument`] for a token that [`encode`] did not write. Tokens carry no authority: a forged one
/// moves within the caller's own rows only.
pub fn decode<T: DeserializeOwned>(token: &str) -> Result<Option<T>, RpcError> {
    if token.is_empty() {
        return Ok(None);
    }
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .map(Some)
        .ok_or_else(|| {
            RpcError::new(Code::InvalidArgument, "the page token is not one of ours")
                .field("page_token", "pass the `next_page_token` of the previous page, unchanged")
        })
}

/// The page size to use for a requested one, where 0 means the default.
#[must_use]
pub fn size(requested: i32) -> i64 {
    if requested == 0 { DEFAULT_SIZE } else { i64::from(requested) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_garbage_is_refused() {
        let token = encode(&(7_i64, "x")).expect("encodable");
        assert_eq!(decode::<(i64, String)>(&token).expect("valid"), Some((7, "x".to_owned())));
        assert_eq!(decode::<i64>("").expect("first page"), None);
        assert_eq!(decode::<i64>("%%").expect_err("garbage").code(), Code::InvalidArgument);
    }
}
