//! Images and manifests, each written once under a typed key and never again.
//!
//! # Promises
//! - Creation is conditional: of any number of writers of one key exactly one succeeds, the others learn that
//!   the object exists. [`Storage::probe`] checks at start that the store really honours this (some ignore
//!   the condition).
//! - An object is readable whole or not at all, and a successful write is durable (the local folder is
//!   synced, a bucket is asked again whether it has the object).
//! - Keys are made of identifiers and numbers, so no key can leave the store's root.
//!
//! Content types and other facts live in the manifest and the image row, not in attributes of the store: a
//! local folder has none.
//!
//! # Code map
//! `key` is what may be stored where. `storage` opens, creates, reads, lists and deletes; `write` takes a
//! stream; `probe` distrusts; `sign` hands out links; `s3` is a bucket. Every store runs the properties in
//! `tests/it/conformance.rs`.

mod config;
mod error;
mod instruments;
mod key;
mod probe;
mod read;
mod s3;
mod sign;
mod storage;
mod write;

pub use config::{Kind, LocalConfig, StorageConfig};
pub use error::{StorageError, WriteError};
pub use key::{InvalidKey, KeyPrefix, ObjectKey};
pub use read::{Head, Listed, Reading};
pub use s3::S3Config;
pub use sign::LONGEST_LINK;
pub use storage::Storage;
pub use write::Written;
