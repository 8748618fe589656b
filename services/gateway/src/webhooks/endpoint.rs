//! An endpoint: an address that receives a user's events.

use imagioo_types::{UserId, WebhookEndpointId};
use time::OffsetDateTime;

use super::event::EventType;

/// An address that receives events.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) id: WebhookEndpointId,
    pub(crate) owner: UserId,
    pub(crate) request_id: String,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) events: Vec<EventType>,
    /// Why and since when it receives nothing; nothing when it does.
    pub(crate) disabled: Option<(DisableReason, OffsetDateTime)>,
    pub(crate) failing_since: Option<OffsetDateTime>,
    pub(crate) old_secret_until: Option<OffsetDateTime>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

/// Who decided that an endpoint receives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DisableReason {
    /// Its owner.
    Owner,
    /// The endpoint: it answered 410.
    Gone,
    /// We, after nothing had arrived for days.
    Failing,
}

/// A reason that the database's check constraint would not have let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason `{0}`")]
pub(crate) struct UnknownReason(String);

impl DisableReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

impl TryFrom<String> for DisableReason {
    type Error = UnknownReason;

    fn try_from(text: String) -> Result<Self, UnknownReason> {
        let all = [Self::Owner, Self::Gone, Self::Failing];
        all.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason(text))
    }
}
