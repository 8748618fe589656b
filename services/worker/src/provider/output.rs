//! The images of an output whose shape its model's author chose: links in a text, in lists, in objects.

use serde_json::Value;

use super::account::Account;
use super::{CallError, Charged, Images, ProviderImage, encoded};
use crate::reason::Reason;

/// An output without any image.
#[derive(Debug, thiserror::Error)]
#[error("the output holds no link and no image")]
struct NoImages;

/// The links and `data:` URIs of an output, in its order: a text, the `url` of an object, or those of its `images`,
/// `image` or items.
pub(super) fn links(output: &Value) -> Vec<&str> {
    match output {
        Value::String(link) => vec![link.as_str()],
        Value::Array(items) => items.iter().flat_map(links).collect(),
        Value::Object(fields) => {
            let known = ["url", "images", "image", "output"].iter().find_map(|name| fields.get(*name));
            known.map(links).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// One result per link.
///
/// # Errors
/// There is none: something was made, and perhaps paid for, that nobody can find.
pub(super) fn images(account: &Account, output: &Value, seed: Option<i64>) -> Result<Images, CallError> {
    let found: Vec<_> = links(output).into_iter().map(|link| image(account, link, seed)).collect();
    if found.is_empty() {
        return Err(CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(NoImages));
    }
    Ok(Box::pin(futures::stream::iter(found)))
}

/// The result behind a link, or inside a `data:` URI.
pub(super) fn image(account: &Account, link: &str, seed: Option<i64>) -> Result<ProviderImage, CallError> {
    if link.starts_with("data:") {
        return encoded::decode(link).map(|file| ProviderImage::from_bytes(file, seed));
    }
    account.fetch(link, seed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_an_output_shows_its_links() {
        for output in [
            json!("https://a/1"),
            json!(["https://a/1"]),
            json!({ "url": "https://a/1", "width": 8 }),
            json!({ "images": [{ "url": "https://a/1" }], "seed": 3 }),
            json!({ "image": { "url": "https://a/1" } }),
            json!({ "output": ["https://a/1"] }),
        ] {
            assert_eq!(links(&output), ["https://a/1"], "{output}");
        }
        for output in [json!(null), json!({}), json!([]), json!(3), json!({ "images": null })] {
            assert!(links(&output).is_empty(), "{output}");
        }
    }
}
