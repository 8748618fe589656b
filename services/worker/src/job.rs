//! The job: everything a worker needs for one attempt, in checked types.

use std::sync::Arc;
use std::time::Duration;

use imagioo_picture::{Format, Operation, Settings, Size};
use imagioo_storage::ObjectKey;
use imagioo_types::{GenerationId, Screened, UserId};
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::provider::{Options, TaskId};

/// The right to work on one attempt. The epoch is the fence: it grows with every takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The generation.
    pub generation: GenerationId,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// The fence, from 1.
    pub epoch: u64,
}

/// One attempt to make the images of one generation.
#[derive(Debug, Clone)]
pub struct Job {
    /// Under what right.
    pub lease: Lease,
    /// Whose images they will be.
    pub owner: UserId,
    /// The words.
    pub prompt: Screened,
    /// What is done.
    pub operation: Operation,
    /// How it is made.
    pub settings: Settings,
    /// Pictures to start from, the one to change first.
    pub references: Vec<StoredPicture>,
    /// White where to repaint.
    pub mask: Option<StoredPicture>,
    /// Images wanted, at least 1.
    pub count: u32,
    /// Where to make them.
    pub deployment: Deployment,
    /// How long the lease lasts without renewal.
    pub lease_time: Duration,
    /// When the whole generation must have ended.
    pub deadline: OffsetDateTime,
    /// What was bought for this attempt so far.
    pub recorded: Vec<RecordedCall>,
    /// Its owner's key for the provider, to be used in place of the operator's.
    pub own_key: Option<SecretString>,
    /// Whether its owner wants it to end: keep what earlier epochs delivered, buy nothing more.
    pub cancel_requested: bool,
}

/// One way to reach a model.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id in the catalogue.
    pub id: String,
    /// The provider account, a name in the worker's configuration.
    pub provider: String,
    /// The provider's name for the model.
    pub model: String,
    /// Longest time one provider call may take.
    pub call_timeout: Duration,
    /// What to do when nobody can say whether a call was accepted.
    pub unknown_outcome: UnknownOutcome,
    /// Where below the account's address; empty for the adapter's usual place.
    pub endpoint: String,
    /// What the adapter is told besides.
    pub options: Arc<Options>,
}

/// A picture in object storage that was verified when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPicture {
    /// Where it is.
    pub key: ObjectKey,
    /// What it is.
    pub format: Format,
    /// Its pixels.
    pub size: Size,
}

/// What to do with a call that may or may not have been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOutcome {
    /// End the generation; the provider is never paid twice.
    Fail,
    /// Call again; the provider may be paid twice.
    Repeat,
}

/// A call that an earlier epoch made, or was about to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// Its number within the attempt, from 0.
    pub call: u32,
    /// The provider's id for it; none when only the intent was noted.
    pub task: Option<TaskId>,
}

impl Job {
    /// The key under which this attempt's outcome is stored, whoever stores it.
    #[must_use]
    pub fn manifest_key(&self) -> ObjectKey {
        ObjectKey::manifest(self.owner, self.lease.generation, self.lease.attempt)
    }

    /// The key of the image at a place, as stored under an epoch.
    #[must_use]
    pub fn image_key(&self, epoch: u64, index: u32) -> ObjectKey {
        ObjectKey::image(self.owner, self.lease.generation, self.lease.attempt, epoch, index)
    }
}
