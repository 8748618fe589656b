//! What one screen says of the words of a request, or why it cannot say.

use std::collections::BTreeSet;
use std::time::Duration;

use imagioo_types::Wording;
use serde::Deserialize;

/// What a screen says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The words may pass. The proof names the very decision: a version, or ids of an endpoint.
    Allow { proof: String },
    /// They may not.
    Block(Block),
}

impl Verdict {
    /// The word for metrics.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Block(Block { severity: Severity::Flag, .. }) => "flag",
            Self::Block(Block { severity: Severity::Deny, .. }) => "deny",
        }
    }
}

/// How sure a screen is. Both block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Suspicious.
    Flag,
    /// Forbidden.
    Deny,
}

/// Why words may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) severity: Severity,
    /// What they are about, such as `violence`; may be empty.
    pub(super) categories: BTreeSet<String>,
    /// The fields of the request that hold them.
    pub(super) fields: BTreeSet<&'static str>,
}

impl Block {
    /// This and an earlier one in one.
    pub(super) fn joined(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier {
            self.severity = self.severity.max(earlier.severity);
            self.categories.extend(earlier.categories);
            self.fields.extend(earlier.fields);
        }
        self
    }

    /// The categories in one line.
    pub(super) fn categories_text(&self) -> String {
        self.categories.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

/// Why a screen cannot say.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Trouble {
    /// Says nothing of the words.
    pub(super) what: &'static str,
    /// How long the other side wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What is behind it; says nothing of the words either.
    #[source]
    pub(super) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Trouble {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, retry_after: None, source: None }
    }

    pub(super) fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// The field of the negative prompt.
pub(super) const NEGATIVE: &str = "settings.negative_prompt";

/// The texts of a request by their fields; those that are missing are not there.
pub(super) fn texts(wording: &Wording) -> impl Iterator<Item = (&'static str, &str)> {
    [("prompt", wording.prompt_text()), (NEGATIVE, wording.negative_text())]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
}
