//! Distrust of a store at start: does a conditional create mean what it says?

use imagioo_types::{GenerationId, UserId};
use object_store::PutPayload;

use crate::{error::StorageError, key::ObjectKey, storage::Storage};

const FIRST: &[u8] = b"first";
const SECOND: &[u8] = b"second";

impl Storage {
    /// Creates an object twice and reads it back, under a key that is nobody's. Call it before serving: on a
    /// store that fails here, two workers could both believe that their outcome counts.
    ///
    /// # Errors
    /// [`StorageError::Unconditional`] or [`StorageError::Corrupt`] for a store that must not be used,
    /// otherwise what the store failed with.
    pub async fn probe(&self) -> Result<(), StorageError> {
        let key = ObjectKey::manifest(UserId::generate(), GenerationId::generate(), 0);
        let verdict = self.examine(&key).await;
        // Whatever was found, nothing is left behind; the verdict matters more than a failed deletion.
        let deleted = self.delete(&key).await;
        verdict.and(deleted)
    }

    async fn examine(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.put(key, PutPayload::from_static(FIRST)).await?;
        match self.put(key, PutPayload::from_static(SECOND)).await {
            Err(StorageError::AlreadyExists { .. }) => {}
            Ok(()) => return Err(StorageError::Unconditional),
            Err(error) => return Err(error),
        }
        match self.read(key).await? {
            Some(bytes) if bytes == FIRST => Ok(()),
            _ => Err(StorageError::Corrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, sync::Arc};

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
        PutMultipartOptions, PutOptions, PutResult, Result, memory::InMemory, path::Path,
    };

    use super::*;

    /// A store that does what it wants with a conditional create.
    #[derive(Debug)]
    struct Careless {
        store: InMemory,
        fault: Fault,
    }

    #[derive(Debug, PartialEq)]
    enum Fault {
        IgnoresConditions,
        LosesBytes,
    }

    impl fmt::Display for Careless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("careless store")
        }
    }

    #[async_trait]
    impl ObjectStore for Careless {
        async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
            match self.fault {
                Fault::IgnoresConditions => {
                    self.store.put_opts(path, payload, PutOptions::from(PutMode::Overwrite)).await
                }
                Fault::LosesBytes => self.store.put_opts(path, PutPayload::new(), options).await,
            }
        }

        async fn put_multipart_opts(
            &self,
            path: &Path,
            options: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.store.put_multipart_opts(path, options).await
        }

        async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
            self.store.get_opts(path, options).await
        }

        fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
            self.store.delete_stream(paths)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.store.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            self.store.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
            self.store.copy_opts(from, to, options).await
        }
    }

    fn careless(fault: Fault) -> Storage {
        Storage::over(Arc::new(Careless { store: InMemory::new(), fault }))
    }

    #[tokio::test]
    async fn a_store_that_ignores_conditions_is_refused() {
        let verdict = careless(Fault::IgnoresConditions).probe().await;
        assert!(matches!(verdict, Err(StorageError::Unconditional)));
    }

    #[tokio::test]
    async fn a_store_that_loses_bytes_is_refused() {
        let verdict = careless(Fault::LosesBytes).probe().await;
        assert!(matches!(verdict, Err(StorageError::Corrupt)));
    }
}
