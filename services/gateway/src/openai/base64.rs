//! Pictures as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The text of these bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The file in a `data:` address such as `data:image/png;base64,…`; nothing for any other text.
pub(super) fn of_data_url(url: &str) -> Option<Bytes> {
    let (kind, text) = url.strip_prefix("data:")?.split_once(',')?;
    kind.ends_with(";base64").then(|| STANDARD.decode(text.trim()).ok()).flatten().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_data_address_in_base64_holds_a_file() {
        assert_eq!(of_data_url("data:image/png;base64,Zm94").as_deref(), Some(b"fox".as_slice()));
        for other in
            ["https://example.com/fox.png", "data:image/png,fox", "data:image/png;base64,?", "Zm94", ""]
        {
            assert_eq!(of_data_url(other), None, "{other}");
        }
    }
}
