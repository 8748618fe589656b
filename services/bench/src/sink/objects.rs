//! What the sink remembers of each object: of small ones everything, of images their size and, when asked, their hash.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

/// Manifests are shorter, images are longer.
const SMALL: usize = 16 * 1024;

/// What is remembered of an image. Bytes would fill the memory within seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Its size: the cheapest, for measuring.
    Sizes,
    /// Its size and the SHA-256 of what arrived.
    Hashes,
}

/// The objects of one bucket.
#[derive(Debug)]
pub(crate) struct Objects {
    keep: Keep,
    table: Mutex<HashMap<String, Object>>,
    created: AtomicU64,
    manifests: AtomicU64,
}

#[derive(Debug)]
struct Object {
    tag: u64,
    size: usize,
    bytes: Option<Bytes>,
    sha256: Option<[u8; 32]>,
}

impl Objects {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, table: Mutex::default(), created: AtomicU64::new(1), manifests: AtomicU64::new(0) }
    }

    /// Stores an object under a key that has none, and answers its tag.
    pub(super) fn create(&self, key: &str, body: &Bytes) -> Option<u64> {
        let tag = self.created.fetch_add(1, Ordering::Relaxed);
        let sha256 = (self.keep == Keep::Hashes).then(|| Sha256::digest(body).into());
        // A copy: the body may be a part of a larger buffer.
        let bytes = (body.len() <= SMALL).then(|| Bytes::copy_from_slice(body));
        match self.table().entry(key.to_owned()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => place.insert(Object { tag, size: body.len(), bytes, sha256 }),
        };
        if key.ends_with("/manifest") {
            self.manifests.fetch_add(1, Ordering::Relaxed);
        }
        Some(tag)
    }

    /// Tag and size in bytes.
    pub(super) fn look(&self, key: &str) -> Option<(u64, usize)> {
        self.table().get(key).map(|object| (object.tag, object.size))
    }

    /// Tag and bytes; nothing of an image.
    pub(super) fn read(&self, key: &str) -> Option<(u64, Bytes)> {
        self.table().get(key).and_then(|object| Some((object.tag, object.bytes.clone()?)))
    }

    pub(super) fn delete(&self, key: &str) {
        self.table().remove(key);
    }

    /// Manifests ever stored: attempts that workers have finished.
    pub(crate) fn manifests(&self) -> u64 {
        self.manifests.load(Ordering::Relaxed)
    }

    /// The hashes of everything that was stored for each generation (`gen_…`), the second part of a key.
    pub(crate) fn hashes(&self) -> HashMap<String, Vec<[u8; 32]>> {
        let mut hashes: HashMap<String, Vec<_>> = HashMap::new();
        for (key, object) in self.table().iter() {
            let generation = key.split('/').nth(1).unwrap_or_default();
            hashes.entry(generation.to_owned()).or_default().extend(object.sha256);
        }
        hashes
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Object>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_creation_of_a_key_counts() {
        let objects = Objects::new(Keep::Sizes);
        let tag = objects.create("u/g/1/manifest", &Bytes::from_static(b"first"));
        assert_eq!(objects.create("u/g/1/manifest", &Bytes::from_static(b"second")), None);
        assert_eq!(
            objects.read("u/g/1/manifest").map(|(_, bytes)| bytes),
            Some(Bytes::from_static(b"first"))
        );
        assert_eq!((objects.look("u/g/1/manifest"), objects.manifests()), (tag.map(|tag| (tag, 5)), 1));
        objects.delete("u/g/1/manifest");
        assert_eq!(objects.look("u/g/1/manifest"), None);
    }

    #[test]
    fn of_an_image_only_its_hash_stays() {
        let (objects, image) = (Objects::new(Keep::Hashes), Bytes::from(vec![7; SMALL + 1]));
        objects.create("u/gen_1/1/1/0", &image).expect("new");
        assert_eq!(objects.read("u/gen_1/1/1/0"), None);
        let expected: [u8; 32] = Sha256::digest(&image).into();
        assert_eq!(objects.hashes()["gen_1"], [expected]);
    }
}
