//! Prompts, and the proof that one was screened before anything else may happen to it.

use std::fmt;

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

/// A prompt with a recorded decision that allows it. Nothing else may be stored as a generation or sent to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screened {
    prompt: Prompt,
    decision: String,
}

/// A recorded decision that does not allow the prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the recorded screening decision is not an allow")]
pub struct NotAllowed;

impl Screened {
    /// Every allowing decision starts with this word; what follows a colon names who decided.
    const ALLOW: &'static str = "allow";

    /// A prompt that `screen` (such as `off`) has just allowed.
    #[must_use]
    pub fn allowed_by(screen: &str, prompt: Prompt) -> Self {
        Self { prompt, decision: format!("{}:{screen}", Self::ALLOW) }
    }

    /// A prompt with the decision that was stored beside it.
    ///
    /// # Errors
    /// [`NotAllowed`] unless the decision is an allow.
    pub fn from_stored(prompt: Prompt, decision: String) -> Result<Self, NotAllowed> {
        match decision.split(':').next() {
            Some(Self::ALLOW) => Ok(Self { prompt, decision }),
            _ => Err(NotAllowed),
        }
    }

    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// The decision to store beside it.
    #[must_use]
    pub fn decision(&self) -> &str {
        &self.decision
    }
}

#[cfg(test)]
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
    fn only_a_stored_allow_makes_a_screened_prompt() {
        let prompt = Prompt::parse("a fox".to_owned()).expect("valid prompt");
        let screened = Screened::allowed_by("off", prompt.clone());
        let stored = Screened::from_stored(prompt.clone(), screened.decision().to_owned());
        assert_eq!(stored, Ok(screened));
        assert_eq!(Screened::from_stored(prompt.clone(), "deny:lists".to_owned()), Err(NotAllowed));
        assert_eq!(Screened::from_stored(prompt, String::new()), Err(NotAllowed));
    }

    #[test]
    fn debug_output_does_not_show_the_text() {
        let prompt = Prompt::parse("canary".to_owned()).expect("valid prompt");
        assert!(!format!("{:?}", Screened::allowed_by("off", prompt)).contains("canary"));
    }
}
