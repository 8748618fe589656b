//! Screening: the recorded decision without which no prompt is stored or sent to a provider.

use imagioo_types::{Screened, Wording};

/// Decides about prompts before anything is held, stored or sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PromptScreen {
    /// Allows everything; the decision says so.
    Off,
}

impl PromptScreen {
    /// The words with the decision that allows them.
    pub(crate) fn screen(self, wording: Wording) -> Screened {
        match self {
            Self::Off => Screened::allowed_by("off", wording),
        }
    }
}
