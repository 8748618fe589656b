//! Which store a service uses, as its configuration says.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{S3Config, Storage, StorageError};

/// The section `[storage]` of a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Which of the stores below is used.
    pub kind: Kind,
    /// A folder of this machine.
    pub local: Option<LocalConfig>,
    /// A bucket.
    pub s3: Option<S3Config>,
}

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A folder, for one machine.
    Local,
    /// R2 or any S3.
    S3,
}

/// A folder of this machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// Where objects are; created when it is missing.
    pub folder: PathBuf,
}

impl Storage {
    /// Opens the configured store and makes sure that it keeps its promises.
    ///
    /// # Errors
    /// [`StorageError::Misconfigured`] when the chosen store is not described, and what [`Self::probe`] finds.
    pub async fn open(config: &StorageConfig) -> Result<Self, StorageError> {
        let storage = match (config.kind, &config.local, &config.s3) {
            (Kind::Local, Some(local), _) => Self::local(&local.folder)?,
            (Kind::S3, _, Some(s3)) => Self::s3(s3)?,
            (Kind::Local, None, _) => return Err(missing("[storage.local] with the key folder is missing")),
            (Kind::S3, _, None) => return Err(missing("[storage.s3] is missing")),
        };
        storage.probe().await?;
        Ok(storage)
    }
}

fn missing(problem: &'static str) -> StorageError {
    StorageError::Misconfigured { problem }
}
