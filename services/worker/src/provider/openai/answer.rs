//! The body of a success: images in base64 or links to them, decoded without a copy of the text.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::provider::account::NoAnswer;
use crate::provider::{CallError, encoded};

/// One result of an answer.
pub(super) enum Found {
    /// The file.
    File(Bytes),
    /// Where the file is, says the provider.
    Link(String),
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<Item<'a>>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    b64_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
}

/// Borrows from the body unless the text holds escapes (`Option<Cow>` alone would always copy).
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, thiserror::Error)]
#[error("a result holds neither base64 nor a link")]
struct NothingInside;

/// Reads an answer, one entry per result. `None` when it is a complaint under a success's status.
///
/// # Errors
/// [`NoAnswer`] when it is not JSON of the right shape.
pub(super) fn parse(body: &[u8]) -> Result<Option<Vec<Result<Found, CallError>>>, NoAnswer> {
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    match answer.data {
        Some(items) if !items.is_empty() || answer.error.is_none() => {
            Ok(Some(items.into_iter().map(Item::into_found).collect()))
        }
        _ => Ok(None),
    }
}

impl Item<'_> {
    fn into_found(self) -> Result<Found, CallError> {
        match (self.b64_json, self.url) {
            (Some(text), _) if !text.0.is_empty() => encoded::decode(&text.0).map(Found::File),
            (_, Some(link)) if link.0.starts_with("data:") => encoded::decode(&link.0).map(Found::File),
            (_, Some(link)) if !link.0.is_empty() => Ok(Found::Link(link.0.into_owned())),
            _ => Err(encoded::bad_image(NothingInside)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Vec<Result<Found, CallError>> {
        parse(body.as_bytes()).expect("valid JSON").expect("a success")
    }

    #[test]
    fn base64_links_and_data_uris_are_found() {
        let found = parsed(
            r#"{"created":1,"data":[{"b64_json":"aGVsbG8="},{"url":"https://a.example/1?s=x"},
                {"url":"data:image/png;base64,aGVsbG8"},{"b64_json":"aGVs\/G8=","url":null}],"usage":{}}"#,
        );
        assert!(matches!(&found[0], Ok(Found::File(bytes)) if bytes == "hello"));
        assert!(matches!(&found[1], Ok(Found::Link(link)) if link == "https://a.example/1?s=x"));
        assert!(matches!(&found[2], Ok(Found::File(bytes)) if bytes == "hello"));
        assert!(matches!(&found[3], Ok(Found::File(bytes)) if bytes.len() == 5));
    }

    #[test]
    fn a_damaged_result_leaves_its_neighbours() {
        let found =
            parsed(r#"{"data":[{"b64_json":"aGVsbG8="},{"b64_json":"@@"},{},{"b64_json":"aGVsbG8="}]}"#);
        let good: Vec<bool> = found.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false, true]);
    }

    #[test]
    fn a_complaint_under_a_success_is_told_apart() {
        for body in [r#"{"error":{"message":"no"}}"#, r#"{"data":[],"error":{}}"#, r#"{"data":null}"#, "{}"] {
            assert!(parse(body.as_bytes()).expect("valid JSON").is_none(), "{body}");
        }
        assert!(parsed(r#"{"data":[]}"#).is_empty());
        assert!(parse(b"<html>").is_err());
    }
}
