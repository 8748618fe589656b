//! A provider call: what is asked of a provider, once.

use std::sync::Arc;

use bytes::Bytes;
use imagioo_picture::{Format, Operation, Settings, Size, Verifier};
use imagioo_types::Screened;
use serde_json::{Map, Value};

use super::CallError;
use crate::reason::Reason;

/// What the catalogue tells an adapter besides: free-form, in the adapter's own words.
pub type Options = Map<String, Value>;

/// One call. A generation of several images may need several.
///
/// Screened words make a call, and words that nobody screened make none (s85):
///
/// ```
/// use imagioo_worker::provider::Call;
/// fn with_a_decision(call: Call, words: imagioo_types::Screened) -> Call {
///     Call { prompt: words, ..call }
/// }
/// ```
///
/// ```compile_fail,E0308
/// use imagioo_worker::provider::Call;
/// fn without_a_decision(call: Call, words: imagioo_types::Wording) -> Call {
///     Call { prompt: words, ..call }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Call {
    /// Names the call for ever: the same in every epoch of an attempt.
    pub key: String,
    /// The provider's name for the model.
    pub model: String,
    /// Where below the account's address; empty for the adapter's usual place.
    pub endpoint: String,
    /// What the adapter is told besides.
    pub options: Arc<Options>,
    /// What is done. The gateway checked that the model can do it.
    pub operation: Operation,
    /// The words; screened, or there would be no call.
    pub prompt: Screened,
    /// How it is made. What is absent is the provider's choice. The real format of a result is found in its bytes.
    pub settings: Settings,
    /// Pictures to start from, the one to change first.
    pub references: Vec<Picture>,
    /// White where to repaint, black where to keep, of the size of the first reference.
    pub mask: Option<Picture>,
    /// The place of its first image within the generation.
    pub first: u32,
    /// Images wanted.
    pub count: u32,
    /// Where pictures are decoded, a bounded number at once in the whole process. None stays decoded between two turns.
    pub decoders: Verifier,
}

impl Call {
    /// The wished file format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.settings.format.unwrap_or(Format::Png)
    }

    /// An option that is a text.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str)
    }

    /// Fails when the call wishes for a setting that is not `known`: without it the result would be another. What may be
    /// left out silently is the file format, which is found in the bytes, and the number of images, which are counted.
    ///
    /// # Errors
    /// [`Reason::SettingUnsupported`].
    pub(super) fn wishes_only(&self, known: impl Fn(&str) -> bool) -> Result<(), CallError> {
        match self.wishes().find(|wish| !known(wish)) {
            Some(wish) => Err(CallError::failed(Reason::SettingUnsupported).because(NotSent(wish))),
            None => Ok(()),
        }
    }

    /// The settings that the call has a wish for, by name.
    fn wishes(&self) -> impl Iterator<Item = &'static str> {
        let settings = &self.settings;
        let all = [
            ("size", settings.size.is_some()),
            ("aspect_ratio", settings.aspect_ratio.is_some()),
            ("resolution", settings.resolution.is_some()),
            ("quality", settings.quality.is_some()),
            ("background", settings.background.is_some()),
            ("compression", settings.compression.is_some()),
            ("seed", settings.seed.is_some()),
            ("guidance", settings.guidance.is_some()),
            ("steps", settings.steps.is_some()),
            ("strength", settings.strength.is_some()),
            ("negative_prompt", !self.prompt.wording().negative_text().is_empty()),
            ("margins", self.operation == Operation::Outpaint),
            ("upscale_factor", self.operation == Operation::Upscale && settings.upscale_factor.is_some()),
        ];
        all.into_iter().filter(|(_, is_wished)| *is_wished).map(|(name, _)| name)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the setting `{0}` has no way to this model")]
struct NotSent(&'static str);

/// A picture file in memory that was verified when it was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub file: Bytes,
    /// What it is.
    pub format: Format,
    /// Its pixels, as stored in the file.
    pub size: Size,
}

/// A provider's id for an accepted call. Opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskId(pub String);
