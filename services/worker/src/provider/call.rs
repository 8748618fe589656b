//! A provider call: what is asked of a provider, once.

use std::fmt;
use std::str::FromStr;

use imagioo_types::Screened;

use crate::format::Format;

/// One call. A generation of several images may need several.
#[derive(Debug, Clone)]
pub struct Call {
    /// Names the call for ever: the same in every epoch of an attempt.
    pub key: String,
    /// The provider's name for the model.
    pub model: String,
    /// What to draw; screened, or there would be no call.
    pub prompt: Screened,
    /// Width and height, such as `1024x1024`, or a word the provider knows; empty means its default.
    pub size: String,
    /// A quality the provider knows; empty means its default.
    pub quality: String,
    /// The wished file format. The result's real one is found in its bytes.
    pub format: Format,
    /// The seed of the first image, where the caller chose one.
    pub seed: Option<i64>,
    /// The place of its first image within the generation.
    pub first: u32,
    /// Images wanted.
    pub count: u32,
}

/// A provider's id for an accepted call. Opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskId(pub String);

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// A text that is not of the form `1024x1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size looks like 1024x1024")]
pub struct InvalidSize;

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let (width, height) = text.split_once('x').ok_or(InvalidSize)?;
        let side = |digits: &str| digits.parse().ok().filter(|side| *side > 0).ok_or(InvalidSize);
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}
