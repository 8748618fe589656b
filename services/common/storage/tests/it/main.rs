//! The promises of the storage, held against every store.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod conformance;
mod local;
mod s3;

mod memory {
    use imagioo_storage::Storage;

    crate::conformance::properties!((Storage::memory(), ()));
}
