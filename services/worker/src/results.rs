//! Results: received under limits, stored, verified, screened. Only what passed all four is a delivered image.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fail::fail_point;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use imagioo_picture::{Format, Unusable, Verified, Verifier};
use imagioo_storage::{ObjectKey, Storage, StorageError};
use serde::Deserialize;
use tokio::time::timeout;

use crate::backoff::Backoff;
use crate::instruments;
use crate::progress::{MAX_PREVIEW, Preview};
use crate::provider::{CallError, Charged, Fate, ProviderImage};
use crate::reason::Reason;
use crate::screening::OutputScreen;

/// What a result may be and cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsConfig {
    /// Most bytes of one image.
    pub image_bytes: u64,
    /// Most bytes of one provider answer, which may hold several images in base64.
    pub answer_bytes: u64,
    /// Seconds to receive one image, and again to store it.
    pub image_seconds: u64,
    /// Most pixels of one image.
    pub max_pixels: u64,
    /// Images that are decoded at once.
    pub decoders: usize,
}

/// An image that is stored and verified, and not yet screened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) key: ObjectKey,
    /// Its place within the generation.
    pub(crate) index: u32,
    pub(crate) image: Verified,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) seed: Option<i64>,
}

/// A delivered image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) stored: Stored,
    /// The decision that lets it through.
    pub(crate) screening: String,
}

/// What became of a stored image.
#[derive(Debug)]
pub(crate) enum Kept {
    Delivered(Delivered),
    /// Nobody may see it. It stays until the outcome is settled, so that a takeover does not take it for missing.
    Withheld {
        key: ObjectKey,
        why: CallError,
    },
}

/// Where results go.
pub(crate) struct Results {
    storage: Storage,
    verifier: Verifier,
    screen: OutputScreen,
    image_bytes: u64,
    patience: Duration,
}

/// What happened to a result besides being unusable.
#[derive(Debug, thiserror::Error)]
enum Mishap {
    #[error("the image is longer than {0} bytes")]
    TooLong(u64),
    #[error("the image did not arrive in time")]
    TooSlow,
    #[error("the image was not stored in time")]
    StoreTooSlow,
    #[error("another object stands under the image's key")]
    Occupied,
    #[error("the store took the image and does not have it")]
    Vanished,
}

impl Results {
    pub(crate) fn new(storage: Storage, config: &ResultsConfig, screen: OutputScreen) -> Self {
        let verifier = Verifier::new(config.max_pixels, config.decoders);
        let patience = Duration::from_secs(config.image_seconds);
        Self { storage, verifier, screen, image_bytes: config.image_bytes, patience }
    }

    /// What decodes pictures in this process, a bounded number at once.
    pub(crate) fn decoders(&self) -> &Verifier {
        &self.verifier
    }

    /// A preview as it may be shown, if it may: nothing is seen before the screen saw it. Of a long one a smaller copy,
    /// unless the decoders have images to verify.
    pub(crate) async fn shown(&self, preview: Preview) -> Option<Preview> {
        self.screen.without_looking()?;
        if preview.data.len() <= MAX_PREVIEW {
            return Some(preview);
        }
        match self.verifier.preview(preview.data, MAX_PREVIEW).await {
            Ok(copy) => copy.map(|(format, data)| Preview { format, data, ..preview }),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "preview not shown");
                None
            }
        }
    }

    /// Receives an image, then stores and verifies it side by side. What fails verification is deleted again.
    ///
    /// # Errors
    /// [`CallError`], as if the provider had failed: nothing was delivered.
    pub(crate) async fn keep(
        &self,
        (key, index): (ObjectKey, u32),
        image: ProviderImage,
    ) -> Result<Stored, CallError> {
        let received = timeout(self.patience, receive(image.body, self.image_bytes)).await;
        let file = received.map_err(|_| lost(Reason::ProviderTimeout, Mishap::TooSlow))??;
        if Format::of(&file).is_none() {
            return Err(unusable(Unusable::NotAnImage));
        }
        let (stored, verified) =
            tokio::join!(timeout(self.patience, self.store(&key, &file)), self.verifier.verify(file.clone()));
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                self.discard(&key).await;
                return Err(unusable(error));
            }
        };
        stored.map_err(|_| lost(Reason::StorageUnavailable, Mishap::StoreTooSlow))??;
        instruments::image_kept(file.len());
        Ok(Stored { key, index, image: verified, size: file.len() as u64, seed: image.seed })
    }

    /// Has a stored image screened; its file is fetched where it is not at hand and somebody wants to see it.
    pub(crate) async fn screen(&self, stored: Stored, file: Option<Bytes>) -> Kept {
        let allowed = match self.screen.without_looking() {
            Some(screening) => Ok(screening),
            None => self.look_at(&stored, file).await,
        };
        match allowed {
            Ok(screening) => Kept::Delivered(Delivered { stored, screening }),
            Err(why) => Kept::Withheld { key: stored.key, why },
        }
    }

    async fn look_at(&self, stored: &Stored, file: Option<Bytes>) -> Result<String, CallError> {
        let file = match file {
            Some(file) => Some(file),
            // The call is not made again for this.
            None => {
                self.read(&stored.key).await.map_err(|error| CallError { fate: Fate::Failed, ..error })?
            }
        };
        let vanished = || CallError::failed(Reason::StorageUnavailable).because(Mishap::Vanished);
        self.screen.allow(&file.ok_or_else(vanished)?, &stored.image).await
    }

    /// An image that an earlier epoch stored, verified and screened again; none if it is missing or no good.
    ///
    /// # Errors
    /// [`CallError`] when the store does not answer.
    pub(crate) async fn find(&self, key: ObjectKey, index: u32) -> Result<Option<Kept>, CallError> {
        let Some(file) = self.read(&key).await? else { return Ok(None) };
        let size = file.len() as u64;
        let Ok(image) = self.verifier.verify(file.clone()).await else { return Ok(None) };
        let stored = Stored { key, index, image, size, seed: None };
        Ok(Some(self.screen(stored, Some(file)).await))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Bytes>, CallError> {
        let mut backoff = Backoff::short();
        loop {
            match self.storage.read(key).await {
                Ok(found) => return Ok(found),
                Err(error) if !backoff.wait().await => return Err(lost(Reason::StorageUnavailable, error)),
                Err(_) => {}
            }
        }
    }

    async fn store(&self, key: &ObjectKey, file: &Bytes) -> Result<(), CallError> {
        let mut backoff = Backoff::short();
        loop {
            match self.store_once(key, file).await {
                Ok(()) => return Ok(()),
                Err(error) if !backoff.wait().await => return Err(lost(Reason::StorageUnavailable, error)),
                Err(_) => {}
            }
        }
    }

    /// Creates the object and looks whether it is there. One that exists is ours if it is equal: the epoch is in the
    /// key, so an earlier try of this very call wrote it.
    async fn store_once(
        &self,
        key: &ObjectKey,
        file: &Bytes,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        fail_point!("worker.image.before_store");
        let created = self.storage.create(key, file.clone()).await;
        fail_point!("worker.image.after_store");
        match created {
            Ok(()) => match self.storage.head(key).await? {
                Some(head) if head.size == file.len() as u64 => Ok(()),
                _ => Err(Mishap::Vanished.into()),
            },
            Err(StorageError::AlreadyExists { .. }) => match self.storage.read(key).await? {
                Some(found) if found == *file => Ok(()),
                Some(_) => Err(Mishap::Occupied.into()),
                None => Err(Mishap::Vanished.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Best effort: the collector removes what no image row names.
    pub(crate) async fn discard(&self, key: &ObjectKey) {
        if let Err(error) = self.storage.delete(key).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "image not deleted");
        }
    }
}

/// Reads a body of at most `limit` bytes; a body that is one piece is not copied.
async fn receive(
    mut body: BoxStream<'static, Result<Bytes, CallError>>,
    limit: u64,
) -> Result<Bytes, CallError> {
    let first = body.next().await.transpose()?.unwrap_or_default();
    check_length(first.len(), limit)?;
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut file = BytesMut::from(first);
    check_length(file.len() + second.len(), limit)?;
    file.extend_from_slice(&second);
    while let Some(chunk) = body.next().await.transpose()? {
        check_length(file.len() + chunk.len(), limit)?;
        file.extend_from_slice(&chunk);
    }
    Ok(file.freeze())
}

fn check_length(length: usize, limit: u64) -> Result<(), CallError> {
    if length as u64 > limit {
        return Err(CallError::failed(Reason::ProviderBadImage).because(Mishap::TooLong(limit)));
    }
    Ok(())
}

/// An image that was made, and perhaps paid for, but did not get here.
fn lost(reason: Reason, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CallError {
    CallError::retry(reason, Charged::Unknown).because(error)
}

/// Too large or animated stays so; anything else may be an accident of this call.
fn unusable(error: Unusable) -> CallError {
    let reason = Reason::ProviderBadImage;
    match error {
        Unusable::TooManyPixels { .. } | Unusable::Animated => CallError::failed(reason).because(error),
        _ => CallError::retry(reason, Charged::Unknown).because(error),
    }
}
