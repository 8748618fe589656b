//! Answers as programs read them with `--json`: the messages of the API with their own field names.
//!
//! States and formats are lower-case words, instants RFC 3339, hashes hexadecimal. What a message does not have is left
//! out.

pub(crate) mod account;
pub(crate) mod billing;
pub(crate) mod generation;
pub(crate) mod model;
pub(crate) mod preset;
pub(crate) mod provider_key;
pub(crate) mod settings;
pub(crate) mod webhook;

pub(crate) use account::{ApiKeyAnswer, UserAnswer};
pub(crate) use billing::{BalanceAnswer, EntryAnswer};
pub(crate) use generation::{GenerationAnswer, ImageAnswer};
pub(crate) use model::ModelAnswer;
pub(crate) use preset::PresetAnswer;

/// The last words of an enum value's name in lower case: `GENERATION_STATE_QUEUED` is `queued`.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// Nothing for the empty text.
fn text(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
pub(crate) mod complete;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enum_values_become_words() {
        assert_eq!(word("GENERATION_STATE_QUEUED", "GENERATION_STATE_"), "queued");
        assert_eq!(word("OPERATION_TEXT_TO_IMAGE", "OPERATION_"), "text_to_image");
    }
}
