//! Parameters of a call, from JSON or from a form, each taken once; what nobody takes is refused.

use bytes::Bytes;
use imagioo_proto::generation::v1::ImageInput;
use imagioo_proto::generation::v1::image_input::Source;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// What a request holds. In a form every value is a text.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) values: Map<String, Value>,
    pub(super) images: Vec<ImageInput>,
    pub(super) mask: Option<Mask>,
    pub(super) is_form: bool,
}

/// A mask in OpenAI's convention when it is a file; an image of the caller is taken as it is.
#[derive(Debug)]
pub(super) enum Mask {
    File(Bytes),
    Image(String),
}

/// A picture that was sent along.
pub(super) fn file(file: Bytes) -> ImageInput {
    ImageInput { source: Some(Source::Data(file)) }
}

impl Parameters {
    /// A text; an absent one, null and an empty one are the same.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(other) => Err(wrong_type(name, "a string", &other)),
        }
    }

    /// One of these words, of which `auto` is no wish.
    pub(super) fn choice(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        let Some(word) = self.text(name)? else { return Ok(None) };
        if !words.contains(&word.as_str()) {
            let message = format!("{name} must be one of {}", words.join(", "));
            return Err(Refusal::parameter(name, "invalid_value", message));
        }
        Ok(Some(word).filter(|word| word != "auto"))
    }

    /// A whole number from here to there.
    pub(super) fn number(&mut self, name: &str, least: i32, most: i32) -> Result<Option<i32>, Refusal> {
        let number = match self.values.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) if self.is_form => text.trim().parse().ok(),
            Some(other) => return Err(wrong_type(name, "an integer", &other)),
        };
        let fits = number.and_then(|number| i32::try_from(number).ok());
        let fits = fits.filter(|number| (least..=most).contains(number));
        let refused = || {
            Refusal::parameter(
                name,
                "invalid_value",
                format!("{name} must be a whole number, {least} to {most}"),
            )
        };
        fits.map(Some).ok_or_else(refused)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) if self.is_form && matches!(text.as_str(), "true" | "false") => {
                Ok(text == "true")
            }
            Some(other) => Err(wrong_type(name, "a boolean", &other)),
        }
    }

    /// Says of what is left that there is no such thing.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        let pictures = [("image", !self.images.is_empty()), ("mask", self.mask.is_some())];
        let picture = pictures.iter().find(|(_, is_there)| *is_there).map(|(name, _)| *name);
        match self.values.keys().next().map(String::as_str).or(picture) {
            None => Ok(()),
            Some(name) => {
                let message = format!("there is no parameter {name} here: leave it out");
                Err(Refusal::parameter(name, "unknown_parameter", message))
            }
        }
    }
}

fn wrong_type(name: &str, expected: &str, found: &Value) -> Refusal {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Refusal::parameter(name, "invalid_type", format!("{name} must be {expected}, not {found}"))
}

/// A parameter that must be there.
pub(super) fn missing(name: &str) -> Refusal {
    Refusal::parameter(name, "missing_required_parameter", format!("{name} is missing"))
}
