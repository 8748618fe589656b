//! How a provider call fails: what may be tried again, and what it may have cost.

use std::time::Duration;

use crate::reason::Reason;

/// A failed call, or a failed image of a call.
#[derive(Debug, thiserror::Error)]
#[error("{}", reason.sentence())]
pub struct CallError {
    /// What follows from it.
    pub fate: Fate,
    /// What went wrong.
    pub reason: Reason,
    /// What the other side said; for the log, never for a client.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What follows from a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It may be tried again.
    Retry {
        /// How long the provider wants to be left alone.
        after: Option<Duration>,
        /// Whether it may have charged.
        charged: Charged,
    },
    /// The content was refused; never again, and nowhere else.
    Refused(Refusal),
    /// The provider made the image, and the output screen does not let it through; other images may pass.
    Blocked(Refusal),
    /// Trying again would end the same way.
    Failed,
}

/// Whether a provider charged for a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// Certainly not.
    No,
    /// Nobody can say.
    Unknown,
}

/// A refusal of content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// True when a finished image was refused, false when the prompt was.
    pub output: bool,
    /// What the provider named, such as `violence`.
    pub categories: Vec<String>,
}

impl CallError {
    /// A failure that may pass.
    #[must_use]
    pub fn retry(reason: Reason, charged: Charged) -> Self {
        Self { fate: Fate::Retry { after: None, charged }, reason, source: None }
    }

    /// A failure for good.
    #[must_use]
    pub fn failed(reason: Reason) -> Self {
        Self { fate: Fate::Failed, reason, source: None }
    }

    /// A refusal.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self { fate: Fate::Refused(refusal), reason: Reason::ContentPolicy, source: None }
    }

    /// An image that the output screen blocks.
    #[must_use]
    pub fn blocked(categories: Vec<String>) -> Self {
        let refusal = Refusal { output: true, categories };
        Self { fate: Fate::Blocked(refusal), reason: Reason::ContentPolicy, source: None }
    }

    /// The graver of two failures: the earlier one, unless only the later one may have charged or forbids to try again. A
    /// refusal is graver than anything else.
    #[must_use]
    pub fn or_graver(self, later: Self) -> Self {
        if later.gravity() > self.gravity() { later } else { self }
    }

    const fn gravity(&self) -> u8 {
        match self.fate {
            Fate::Retry { charged: Charged::No, .. } => 0,
            Fate::Retry { charged: Charged::Unknown, .. } => 1,
            Fate::Failed => 2,
            Fate::Refused(_) | Fate::Blocked(_) => 3,
        }
    }

    /// How long the provider wants to be left alone.
    pub(crate) const fn wished_wait(&self) -> Option<Duration> {
        match self.fate {
            Fate::Retry { after, .. } => after,
            _ => None,
        }
    }

    /// The same when it happened before there was anything to charge for.
    #[must_use]
    pub fn before_the_call(mut self) -> Self {
        if let Fate::Retry { charged, .. } = &mut self.fate {
            *charged = Charged::No;
        }
        self
    }

    /// Not before so much time; no effect on what may not be tried again.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        if let Fate::Retry { after, .. } = &mut self.fate {
            *after = wait;
        }
        self
    }

    /// The same when the call was made on a user's own key: then it is not the operator's account that it is about.
    #[must_use]
    pub fn on_own_key(self) -> Self {
        let reason = match self.reason {
            Reason::ProviderAuth => Reason::OwnKeyRefused,
            Reason::ProviderQuota => Reason::OwnKeyExhausted,
            other => other,
        };
        Self { reason, ..self }
    }

    /// What the other side said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
