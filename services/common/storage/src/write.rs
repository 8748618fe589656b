//! Storing a stream under a size limit, hashed on its way.
//!
//! The stream is gathered in memory, at most `limit` bytes, and stored by one conditional put. That is a
//! choice: no store can complete a multi-part upload conditionally through `object_store`, and a staged copy
//! would leave something to collect after a crash. So the limit is also the memory of one write; whoever runs
//! many bounds their number.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use object_store::{PutPayload, PutPayloadMut};
use sha2::{Digest as _, Sha256};

use crate::{error::WriteError, key::ObjectKey, storage::Storage};

/// Chunks are copied into blocks of this size: a stream of tiny chunks must not hold their large buffers
/// alive.
const BLOCK: usize = 256 * 1024;

/// What was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

impl Storage {
    /// Stores a stream of at most `limit` bytes under a key that has no object. Nothing is stored before the
    /// stream has ended well, so a stream that is too long, breaks off or is dropped half-way leaves nothing.
    ///
    /// # Errors
    /// [`WriteError`], with [`StorageError::AlreadyExists`](crate::StorageError::AlreadyExists) for a key
    /// that is taken.
    pub async fn write<S, E>(&self, key: &ObjectKey, stream: S, limit: u64) -> Result<Written, WriteError<E>>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::error::Error + 'static,
    {
        let (payload, written) = gather(stream, limit).await?;
        self.put(key, payload).await?;
        Ok(written)
    }
}

async fn gather<S, E>(stream: S, limit: u64) -> Result<(PutPayload, Written), WriteError<E>>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: std::error::Error + 'static,
{
    let mut stream = std::pin::pin!(stream);
    let mut hash = Sha256::new();
    let mut payload = PutPayloadMut::new().with_block_size(BLOCK);
    let mut size = 0_u64;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(WriteError::Source)?;
        size = size.saturating_add(chunk.len() as u64);
        if size > limit {
            return Err(WriteError::TooLarge { limit });
        }
        hash.update(&chunk);
        payload.extend_from_slice(&chunk);
    }
    Ok((payload.freeze(), Written { size, sha256: hash.finalize().into() }))
}
