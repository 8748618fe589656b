//! The generation as the business sees it: its states and what is known of it.

use imagioo_picture::{Format, Operation, Settings, Size};
use imagioo_types::{Credits, GenerationId, ImageId, UserId, Wording};
use time::OffsetDateTime;

use crate::catalogue::Stop;
use crate::provider_key::KeyId;

/// Where a generation is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Dispatched,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// A tombstone: this id never existed and never will.
    Void,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Dispatched => "dispatched",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Void => "void",
        }
    }

    /// Whether the outcome stands.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Void)
    }
}

/// A state that the database's check constraint would not have let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown generation state `{0}`")]
pub(crate) struct UnknownState(String);

impl TryFrom<String> for State {
    type Error = UnknownState;

    fn try_from(text: String) -> Result<Self, UnknownState> {
        [
            Self::Queued,
            Self::Dispatched,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Void,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or(UnknownState(text))
    }
}

/// One request for images.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    pub(crate) id: GenerationId,
    pub(crate) owner: UserId,
    pub(crate) request_id: String,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) state: State,
    pub(crate) version: i64,
    pub(crate) model: String,
    pub(crate) operation: Operation,
    pub(crate) settings: Settings,
    pub(crate) count: i32,
    pub(crate) wording: Wording,
    pub(crate) inputs: Vec<Input>,
    pub(crate) parent: Option<GenerationId>,
    /// Where it may run, with prices; empty when there is no choice and it is the operator's key.
    pub(crate) route: Vec<Stop>,
    /// The key of its owner that a worker was given last.
    pub(crate) provider_key: Option<KeyId>,
    /// The version of the preset that it was made with, by name.
    pub(crate) preset: Option<String>,
    pub(crate) deployment: String,
    pub(crate) catalogue_version: String,
    pub(crate) price: Credits,
    pub(crate) charge: Option<Credits>,
    pub(crate) attempt: i32,
    pub(crate) failure: Option<Failure>,
    pub(crate) cancel_requested: bool,
    pub(crate) deadline: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
    /// When its attempt was sent to the workers.
    pub(crate) dispatched_at: Option<OffsetDateTime>,
    pub(crate) started_at: Option<OffsetDateTime>,
    pub(crate) ended_at: Option<OffsetDateTime>,
}

impl Generation {
    /// What one image costs where the generation is now.
    pub(crate) fn unit_price(&self) -> Credits {
        // Without a choice the price is that of the only place, times the count: nothing is left over.
        self.here()
            .map_or_else(|| Credits::new(self.price.get() / i64::from(self.count.max(1))), Stop::unit_price)
    }

    /// Whether it runs on its owner's key where it is now.
    pub(crate) fn runs_on_own_key(&self) -> bool {
        self.here().is_some_and(|stop| stop.own_key)
    }

    fn here(&self) -> Option<&Stop> {
        self.route.iter().find(|stop| stop.deployment == self.deployment)
    }
}

/// Why images are missing; stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) content_policy: Option<ContentPolicy>,
}

impl Failure {
    pub(crate) fn new(reason: &str, message: &str) -> Self {
        Self { reason: reason.to_owned(), message: message.to_owned(), content_policy: None }
    }
}

/// A refusal, the same for every provider.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct ContentPolicy {
    pub(crate) stage: String,
    pub(crate) categories: Vec<String>,
    pub(crate) provider: String,
}

/// A picture that a generation starts from; stored as JSON beside it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Input {
    pub(crate) role: Role,
    pub(crate) image: uuid::Uuid,
    pub(crate) object_key: String,
    pub(crate) format: Format,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

impl Input {
    /// An image in some role.
    pub(crate) fn of(role: Role, image: &Image) -> Self {
        Self {
            role,
            image: image.id.uuid(),
            object_key: image.object_key.clone(),
            format: image.format,
            width: image.width,
            height: image.height,
        }
    }

    /// Its pixels.
    pub(crate) fn size(&self) -> Size {
        let side = |pixels: i32| u32::try_from(pixels).unwrap_or_default();
        Size { width: side(self.width), height: side(self.height) }
    }
}

/// What a picture is to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Reference,
    Mask,
}

/// A stored and verified result, or an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: ImageId,
    /// The generation that made it; nothing for an upload.
    pub(crate) generation: Option<GenerationId>,
    pub(crate) owner: UserId,
    pub(crate) index: i32,
    pub(crate) object_key: String,
    pub(crate) format: Format,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) seed: Option<i64>,
    pub(crate) created_at: OffsetDateTime,
}
