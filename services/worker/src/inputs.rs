//! The pictures a job starts from, fetched from the store.

use bytes::Bytes;
use imagioo_storage::Storage;

use crate::backoff::Backoff;
use crate::job::{Job, StoredPicture};
use crate::provider::{CallError, Charged, Picture};
use crate::reason::Reason;

/// The pictures of one job.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) references: Vec<Picture>,
    pub(crate) mask: Option<Picture>,
}

impl Inputs {
    /// Reads every picture.
    ///
    /// # Errors
    /// One is gone, which no attempt will change, or the store does not answer.
    pub(crate) async fn fetch(storage: &Storage, job: &Job) -> Result<Self, CallError> {
        let mut references = Vec::with_capacity(job.references.len());
        for stored in &job.references {
            references.push(picture(storage, stored).await?);
        }
        let mask = match &job.mask {
            Some(stored) => Some(picture(storage, stored).await?),
            None => None,
        };
        Ok(Self { references, mask })
    }
}

async fn picture(storage: &Storage, stored: &StoredPicture) -> Result<Picture, CallError> {
    let file = file(storage, stored).await?.ok_or_else(|| CallError::failed(Reason::InputGone))?;
    Ok(Picture { file, format: stored.format, size: stored.size })
}

async fn file(storage: &Storage, stored: &StoredPicture) -> Result<Option<Bytes>, CallError> {
    let mut backoff = Backoff::short();
    loop {
        match storage.read(&stored.key).await {
            Ok(found) => return Ok(found),
            Err(error) if !backoff.wait().await => {
                return Err(CallError::retry(Reason::StorageUnavailable, Charged::No).because(error));
            }
            Err(_) => {}
        }
    }
}
