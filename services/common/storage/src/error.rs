//! What can go wrong with an object.

use std::time::Duration;

use crate::key::ObjectKey;

/// The store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another writer was first; the object stands as it is.
    #[error("object `{key}` exists already")]
    AlreadyExists {
        /// Its key.
        key: ObjectKey,
    },
    /// The store replaced an object it was asked to create: two writers would both believe to have won.
    #[error("the store ignores conditional creates; use one that honours `If-None-Match: *`")]
    Unconditional,
    /// The store reported success, but has no object or another one.
    #[error("the store does not return what was written")]
    Corrupt,
    /// The folder cannot be used.
    #[error("the folder of the local store cannot be created")]
    Folder(#[source] std::io::Error),
    /// A file of the local folder cannot be read to its end.
    #[error("an object of the local store cannot be read")]
    Read(#[source] std::io::Error),
    /// The store is not described well enough to be opened.
    #[error("the object store is misconfigured: {problem}")]
    Misconfigured {
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// This kind of store cannot do that: a local folder signs no links.
    #[error("this object store cannot sign links")]
    Unsupported,
    /// A link would live too long, or less than a second.
    #[error("a signed link lives from one second to {} seconds", longest.as_secs())]
    Lifetime {
        /// The longest life allowed.
        longest: Duration,
    },
    /// The store failed or cannot be reached.
    #[error("the object store failed")]
    Store(#[from] object_store::Error),
}

/// A stream was not stored. Nothing is readable under its key, unless another writer put it there.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E: std::error::Error + 'static> {
    /// The stream is longer than allowed; the rest was not read.
    #[error("the stream is longer than {limit} bytes")]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// The stream broke off.
    #[error("the stream broke off")]
    Source(#[source] E),
    /// The store did not take it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
