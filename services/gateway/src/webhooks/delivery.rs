//! A delivery: one event on its way to one endpoint.

use imagioo_types::{EventId, GenerationId, UserId, WebhookEndpointId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::EventType;

/// Which delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryId {
    pub(crate) endpoint: WebhookEndpointId,
    pub(crate) event: EventId,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Generation(GenerationId),
    Endpoint(WebhookEndpointId),
}

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

/// A state that the database's check constraint would not have let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown delivery state `{0}`")]
pub(crate) struct UnknownState(String);

impl DeliveryState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl TryFrom<String> for DeliveryState {
    type Error = UnknownState;

    fn try_from(text: String) -> Result<Self, UnknownState> {
        let all = [Self::Pending, Self::Delivered, Self::Failed];
        all.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState(text))
    }
}

/// One event on its way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) owner: UserId,
    pub(crate) event: EventType,
    pub(crate) subject: Subject,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: i32,
    /// When it is sent next; nothing when it is not, or is being sent now.
    pub(crate) next_at: Option<OffsetDateTime>,
    /// What the time allowed for it counts from.
    pub(crate) since: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
}

/// A delivery that this replica is sending.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) delivery: Delivery,
    /// Proves that nobody else has taken it meanwhile.
    pub(crate) claim: Uuid,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) event: EventId,
    pub(crate) number: i32,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) status: Option<i32>,
    pub(crate) error: Option<String>,
}
