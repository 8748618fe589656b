//! What the person or program on the other side reads: answers on standard output, remarks on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// The two streams and the form of the answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Answers as JSON, or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person sees the remarks: progress is shown only then.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// The columns of the terminal that shows the answers; nothing when they go elsewhere.
    pub(crate) fn width(self) -> Option<usize> {
        let terminal = console::Term::stdout();
        terminal.size_checked().filter(|_| terminal.is_term()).map(|(_, columns)| usize::from(columns))
    }

    /// Prints one line of an answer.
    ///
    /// # Errors
    /// [`Failure::Output`], also when nobody reads any more.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let mut stream = io::stdout().lock();
        writeln!(stream, "{text}").and_then(|()| stream.flush()).map_err(Failure::Output)
    }

    /// Prints an answer as one line of JSON.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn object(self, answer: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(answer).map_err(|error| Failure::Output(error.into()))?;
        self.line(&text)
    }

    /// Prints an answer in the form that was asked for.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn answer(
        self,
        answer: &impl Serialize,
        lines: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.object(answer);
        }
        lines().iter().try_for_each(|line| self.line(line))
    }

    /// Tells people something beside the answer; programs that read JSON are spared.
    pub(crate) fn remark(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }
}

/// Writes a line to standard error. A closed one leaves nobody to tell.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// A number of credits in words.
pub(crate) fn credits(count: i64) -> String {
    if count == 1 { "1 credit".to_owned() } else { format!("{count} credits") }
}

/// Text of others without anything that could steer a terminal; line feeds and tabs become blanks.
pub(crate) fn tame(text: &str) -> String {
    // Beside the control characters: marks that turn the direction of what follows.
    let steers =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !steers(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(tame("a\u{1b}[31m red\nfox\t\u{9b}1m\u{202e}x"), "a [31m red fox  1mx");
        assert_eq!(tame("ein Füchslein 狐"), "ein Füchslein 狐");
    }
}
