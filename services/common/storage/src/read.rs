//! Reading: whole, from an offset, facts only, or a list.

use std::{fs::File, ops::Range, os::unix::fs::FileExt as _};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _, future,
    stream::{self, BoxStream},
};
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore as _, ObjectStoreExt as _,
};
use time::OffsetDateTime;

use crate::{
    error::StorageError,
    key::{KeyPrefix, ObjectKey},
    storage::{Storage, call},
};

/// Bytes of a file read at once.
const STEP: u64 = 256 * 1024;

/// What the store knows of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub last_modified: OffsetDateTime,
}

/// One object of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: ObjectKey,
    /// What the store knows of it.
    pub head: Head,
}

/// An object on its way out.
pub struct Reading {
    /// Bytes of the whole object, whatever the offset.
    pub size: u64,
    /// Its bytes from the offset to the end.
    pub bytes: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl Storage {
    /// Reads an object into memory; nothing if there is none.
    ///
    /// # Errors
    /// [`StorageError::Store`]
    pub async fn read(&self, key: &ObjectKey) -> Result<Option<Bytes>, StorageError> {
        let read = async {
            match self.get(key, None).await? {
                Some(found) => Ok(Some(found.bytes().await?)),
                None => Ok(None),
            }
        };
        call("read", read).await
    }

    /// Streams an object from `offset` (bytes) on; nothing if there is none. From the end on, the stream is
    /// empty.
    ///
    /// # Errors
    /// [`StorageError::Store`]; within the stream also [`StorageError::Read`].
    pub async fn read_from(&self, key: &ObjectKey, offset: u64) -> Result<Option<Reading>, StorageError> {
        let read = async {
            let range = if offset == 0 {
                None
            } else {
                // A store refuses a range that begins at the end; objects never change, so this look is
                // enough.
                match self.head(key).await? {
                    None => return Ok(None),
                    Some(head) if head.size <= offset => return Ok(Some(Reading::nothing_of(head.size))),
                    Some(_) => Some(GetRange::Offset(offset)),
                }
            };
            Ok(self.get(key, range).await?.map(Reading::of))
        };
        call("open", read).await
    }

    /// What the store knows of an object; nothing if there is none.
    ///
    /// # Errors
    /// [`StorageError::Store`]
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, StorageError> {
        let head = async {
            match self.store.head(&key.path()).await {
                Ok(meta) => Ok(Some(Head::of(&meta))),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        call("head", head).await
    }

    /// Lists objects in no promised order. What is not under a valid key was not written here and is skipped.
    pub fn list(&self, prefix: KeyPrefix) -> BoxStream<'static, Result<Listed, StorageError>> {
        self.store
            .list(prefix.path().as_ref())
            .map_err(StorageError::from)
            .try_filter_map(|meta| future::ready(Ok(listed(&meta))))
            .boxed()
    }

    async fn get(&self, key: &ObjectKey, range: Option<GetRange>) -> Result<Option<GetResult>, StorageError> {
        let options = GetOptions { range, ..GetOptions::default() };
        match self.store.get_opts(&key.path(), options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Head {
    fn of(meta: &ObjectMeta) -> Self {
        let nanoseconds = i128::from(meta.last_modified.timestamp()) * 1_000_000_000
            + i128::from(meta.last_modified.timestamp_subsec_nanos());
        // A time outside the calendar is nonsense of the store's; the oldest keeps collectors careless of it.
        let last_modified =
            OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { size: meta.size, last_modified }
    }
}

impl Reading {
    fn of(found: GetResult) -> Self {
        let size = found.meta.size;
        let bytes = match found.payload {
            GetResultPayload::File(file, _) => file_chunks(file, found.range),
            GetResultPayload::Stream(stream) => stream.map_err(StorageError::from).boxed(),
        };
        Self { size, bytes }
    }

    fn nothing_of(size: u64) -> Self {
        Self { size, bytes: stream::empty().boxed() }
    }
}

/// Reads a file in steps of [`STEP`]; the store's own stream takes thirty times as many.
fn file_chunks(file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes, StorageError>> {
    stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let step = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; (range.end - range.start).min(STEP) as usize];
            file.read_exact_at(&mut chunk, range.start)?;
            let rest = range.start + chunk.len() as u64..range.end;
            Ok((Bytes::from(chunk), (file, rest)))
        });
        step.await.map_err(object_store::Error::from)?.map(Some).map_err(StorageError::Read)
    })
    .boxed()
}

fn listed(meta: &ObjectMeta) -> Option<Listed> {
    match meta.location.as_ref().parse() {
        Ok(key) => Some(Listed { key, head: Head::of(meta) }),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "foreign object skipped");
            None
        }
    }
}
