//! Pictures as text: base64 and `data:` URIs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};
use bytes::Bytes;

use super::{CallError, Charged, Picture};
use crate::reason::Reason;

/// The file behind base64, also in the form of a `data:` URI.
///
/// # Errors
/// [`Reason::ProviderBadImage`].
pub(super) fn decode(text: &str) -> Result<Bytes, CallError> {
    let text = match text.strip_prefix("data:") {
        Some(uri) => uri.split_once(";base64,").map_or(uri, |(_, data)| data),
        None => text,
    };
    STANDARD_PAD_INDIFFERENT.decode(text).map(Bytes::from).map_err(bad_image)
}

/// An image that was made, and perhaps paid for, and cannot be read.
pub(super) fn bad_image(error: impl std::error::Error + Send + Sync + 'static) -> CallError {
    CallError::retry(Reason::ProviderBadImage, Charged::Unknown).because(error)
}

/// A picture as base64.
pub(super) fn base64(picture: &Picture) -> String {
    STANDARD.encode(&picture.file)
}

/// A picture as a `data:` URI.
pub(super) fn data_uri(picture: &Picture) -> String {
    format!("data:{};base64,{}", picture.format.media_type(), base64(picture))
}
