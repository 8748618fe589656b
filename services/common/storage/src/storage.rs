//! The one type that services hold, over whatever store keeps the objects.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, local::LocalFileSystem,
    memory::InMemory, signer::Signer,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{error::StorageError, instruments, key::ObjectKey, s3::is_unconfirmed};

/// A store of objects that are written once. Clones share it.
#[derive(Debug, Clone)]
pub struct Storage {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Signs links, where the store honours them.
    pub(crate) signer: Option<Arc<dyn Signer>>,
}

impl Storage {
    /// Objects as files below `folder`, which is made (for this user alone) if it is missing. Every write is
    /// synced to the disk.
    ///
    /// # Errors
    /// [`StorageError::Folder`] if the folder cannot be made, [`StorageError::Store`] if it cannot be opened.
    pub fn local(folder: &FilePath) -> Result<Self, StorageError> {
        make_private(folder).map_err(StorageError::Folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self::over(Arc::new(store)))
    }

    /// Objects in the memory of this process, gone with it.
    #[must_use]
    pub fn memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    pub(crate) fn over(store: Arc<dyn ObjectStore>) -> Self {
        instruments::describe();
        Self { store, signer: None }
    }

    /// Stores an object under a key that has none.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] for everyone but the first; [`StorageError::Store`] leaves open
    /// whether the object exists: create it again, and read it back if it does. [`StorageError::Corrupt`] if
    /// the store said that it stored the object and did not.
    pub async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        self.put(key, bytes.into()).await
    }

    /// Deletes an object. One that is not there is deleted already.
    ///
    /// # Errors
    /// [`StorageError::Store`]
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let delete = async {
            match self.store.delete(&key.path()).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        call("delete", delete).await
    }

    pub(crate) async fn put(&self, key: &ObjectKey, payload: PutPayload) -> Result<(), StorageError> {
        let size = payload.content_length();
        let create = async {
            let options = PutOptions::from(PutMode::Create);
            match self.store.put_opts(&key.path(), payload, options).await {
                Ok(_) => Ok(()),
                Err(object_store::Error::AlreadyExists { .. }) => {
                    Err(StorageError::AlreadyExists { key: *key })
                }
                Err(error) if is_unconfirmed(&error) => Err(StorageError::Corrupt),
                Err(error) => Err(error.into()),
            }
        };
        call("create", create).await?;
        instruments::written(size as u64);
        Ok(())
    }
}

/// What people generated is no business of the machine's other users.
fn make_private(folder: &FilePath) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes one call to the store inside a span, and notes how long it took and how it ended.
pub(crate) async fn call<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let started = Instant::now();
    let name = format!("storage {operation}");
    let span = tracing::info_span!("storage", otel.name = name, otel.kind = "client", operation);
    let result = work.instrument(span).await;
    let outcome = match &result {
        Ok(_) => "done",
        Err(StorageError::AlreadyExists { .. }) => "exists",
        Err(_) => "failed",
    };
    instruments::called(operation, outcome, started.elapsed());
    result
}
