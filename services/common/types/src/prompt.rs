//! Prompts, and the proof that they were screened before anything else may happen to them.

use std::fmt;

use crate::decision::allows;

/// The text an image is made from: 1 to 32,000 characters, not blank, no control characters but line feed and tab.
/// Never printed by `Debug`, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt(String);

/// Why a text cannot be a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrompt {
    /// Nothing but white space.
    #[error("the prompt is empty: describe the image")]
    Empty,
    /// Over the limit.
    #[error("the prompt has more than {} characters", Prompt::MAX_CHARS)]
    TooLong,
    /// A control character other than line feed and tab.
    #[error("the prompt contains a control character: only line feed and tab are allowed")]
    ControlCharacter,
}

impl Prompt {
    /// Most characters (Unicode scalar values) a prompt may have.
    pub const MAX_CHARS: usize = 32_000;

    /// Checks a text.
    ///
    /// # Errors
    /// [`InvalidPrompt`] says which rule it breaks.
    pub fn parse(text: String) -> Result<Self, InvalidPrompt> {
        if text.trim().is_empty() {
            return Err(InvalidPrompt::Empty);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidPrompt::TooLong);
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(InvalidPrompt::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The same, where the text may be missing.
    ///
    /// # Errors
    /// [`InvalidPrompt`], but never that it is empty.
    pub fn parse_optional(text: String) -> Result<Option<Self>, InvalidPrompt> {
        match Self::parse(text) {
            Ok(prompt) => Ok(Some(prompt)),
            Err(InvalidPrompt::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({} bytes)", self.0.len())
    }
}

/// Every text of a request. Some operations, such as an upscale, need none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording {
    /// What to draw.
    pub prompt: Option<Prompt>,
    /// What not to draw.
    pub negative: Option<Prompt>,
}

impl Wording {
    /// Words that are a prompt alone.
    #[must_use]
    pub fn of(prompt: Prompt) -> Self {
        Self { prompt: Some(prompt), negative: None }
    }

    /// Words as they are stored and sent: a missing text is empty.
    ///
    /// # Errors
    /// [`InvalidPrompt`] of the first text that is none.
    pub fn from_texts(prompt: String, negative: String) -> Result<Self, InvalidPrompt> {
        Ok(Self { prompt: Prompt::parse_optional(prompt)?, negative: Prompt::parse_optional(negative)? })
    }

    /// The prompt; empty when there is none.
    #[must_use]
    pub fn prompt_text(&self) -> &str {
        self.prompt.as_ref().map_or("", Prompt::as_str)
    }

    /// The negative prompt; empty when there is none.
    #[must_use]
    pub fn negative_text(&self) -> &str {
        self.negative.as_ref().map_or("", Prompt::as_str)
    }
}

/// Words with a recorded decision that allows them. Nothing else may be stored as a generation or sent to a provider.
///
/// Two places make them: the gateway's screening, which decides, and whoever reads a decision that was stored or sent
/// (`clippy.toml` keeps all others out). Neither takes what is not the whole record of an allow; see [`allows`].
///
/// ```
/// use imagioo_types::{Screened, Wording};
/// let stored = |decision: &str| Screened::from_stored(Wording::default(), decision.to_owned());
/// let screened: Screened = stored("allow:off").expect("nobody is asked here");
/// stored("allow").expect_err("nobody decided");
/// ```
///
/// There are no such words without a decision, none of another decision, and none that were changed after it:
///
/// ```compile_fail,E0451
/// let wording = imagioo_types::Wording::default();
/// let unscreened = imagioo_types::Screened { wording, decision: String::new() };
/// ```
///
/// ```compile_fail,E0277
/// let unscreened: imagioo_types::Screened = imagioo_types::Wording::default().into();
/// ```
///
/// ```compile_fail,E0599
/// let unscreened = imagioo_types::Screened::default();
/// ```
///
/// ```compile_fail,E0616
/// fn changed(mut words: imagioo_types::Screened) -> imagioo_types::Screened {
///     words.wording = imagioo_types::Wording::default();
///     words
/// }
/// ```
///
/// ```compile_fail,E0616
/// fn excused(mut words: imagioo_types::Screened) -> imagioo_types::Screened {
///     words.decision = "allow:off".to_owned();
///     words
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screened {
    wording: Wording,
    decision: String,
}

/// A recorded decision that does not allow the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recorded screening decision is not an allow")]
pub struct NotAllowed;

impl Screened {
    /// Words that were just allowed. For the gateway's screening alone: `screens` is what follows `allow:` in the record.
    ///
    /// # Errors
    /// [`NotAllowed`] when that is no record.
    pub fn allowed_by(screens: &str, wording: Wording) -> Result<Self, NotAllowed> {
        Self::under(format!("allow:{screens}"), wording)
    }

    /// Words with the decision that was stored or sent beside them. For whoever reads them alone.
    ///
    /// # Errors
    /// [`NotAllowed`] unless the decision is an allow.
    pub fn from_stored(wording: Wording, decision: String) -> Result<Self, NotAllowed> {
        Self::under(decision, wording)
    }

    fn under(decision: String, wording: Wording) -> Result<Self, NotAllowed> {
        if allows(&decision) { Ok(Self { wording, decision }) } else { Err(NotAllowed) }
    }

    /// The words.
    #[must_use]
    pub fn wording(&self) -> &Wording {
        &self.wording
    }

    /// The decision to store beside them.
    #[must_use]
    pub fn decision(&self) -> &str {
        &self.decision
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what they promise is tested here")]
mod tests {
    use super::*;

    #[test]
    fn blank_long_and_control_texts_are_no_prompts() {
        let parse = |text: &str| Prompt::parse(text.to_owned());
        assert_eq!(parse(" \n"), Err(InvalidPrompt::Empty));
        assert_eq!(parse(&"x".repeat(32_001)), Err(InvalidPrompt::TooLong));
        assert_eq!(parse("a\u{7}b"), Err(InvalidPrompt::ControlCharacter));
        assert!(parse("a\n\tfox").is_ok());
        assert!(parse(&"ü".repeat(32_000)).is_ok());
    }

    #[test]
    fn a_missing_text_is_empty_and_a_wrong_one_stays_wrong() {
        let words = |prompt: &str, negative: &str| Wording::from_texts(prompt.into(), negative.into());
        let found = words("a fox", " ").expect("valid words");
        assert_eq!((found.prompt_text(), found.negative_text()), ("a fox", ""));
        assert_eq!(words("", "").expect("no words"), Wording::default());
        assert_eq!(words("a fox", "b\u{7}"), Err(InvalidPrompt::ControlCharacter));
    }

    #[test]
    fn only_a_stored_allow_makes_screened_words() {
        let words = Wording::of(Prompt::parse("a fox".to_owned()).expect("valid prompt"));
        let screened = Screened::allowed_by("off", words.clone()).expect("an allow");
        assert_eq!(Screened::allowed_by("lists", words.clone()), Err(NotAllowed), "no proof and no time");
        let stored = Screened::from_stored(words.clone(), screened.decision().to_owned());
        assert_eq!(stored, Ok(screened));
        for decision in ["deny:lists", "allow", "allow:", "allow:everything", ""] {
            let none = Screened::from_stored(words.clone(), decision.to_owned());
            assert_eq!(none, Err(NotAllowed), "{decision}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_texts() {
        let words = Wording::from_texts("canary".into(), "canary".into()).expect("valid words");
        let screened = Screened::allowed_by("off", words).expect("an allow");
        assert!(!format!("{screened:?}").contains("canary"));
    }
}
