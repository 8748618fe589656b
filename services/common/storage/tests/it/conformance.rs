//! What every store must do. Each property gets a store of its own.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use imagioo_storage::{KeyPrefix, Listed, ObjectKey, Reading, Storage, StorageError, WriteError};
use imagioo_types::{GenerationId, UserId};
use tokio::task::JoinSet;

/// One test for each property, against the store that the expression makes (with whatever keeps it alive).
macro_rules! properties {
    ($store:expr) => {
        crate::conformance::properties!(@ $store;
            what_is_created_is_read_back,
            an_object_is_never_overwritten,
            one_of_many_concurrent_creators_wins,
            one_of_many_concurrent_writers_wins,
            a_missing_object_is_nothing_rather_than_an_error,
            a_stream_is_stored_with_its_size_and_hash,
            a_stream_of_exactly_the_limit_is_stored,
            a_stream_over_the_limit_leaves_nothing,
            a_stream_without_an_end_is_not_read_to_it,
            a_stream_that_breaks_off_leaves_nothing,
            a_stream_that_is_dropped_half_way_leaves_nothing,
            an_empty_object_is_an_object,
            reading_goes_on_from_an_offset,
            a_large_object_streams_whole,
            a_list_holds_what_is_under_its_prefix,
            a_deleted_object_is_gone_and_deleting_again_is_no_error,
            a_deleted_key_may_be_created_again,
            the_probe_accepts_this_store_and_leaves_nothing,
        );
    };
    (@ $store:expr; $($property:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $property() {
                let (storage, _folder) = $store;
                crate::conformance::$property(storage).await;
            }
        )*
    };
}
pub(crate) use properties;

const HELLO: Bytes = Bytes::from_static(b"hello, world");

pub(crate) fn image(index: u32) -> ObjectKey {
    ObjectKey::image(UserId::generate(), GenerationId::generate(), 1, 1, index)
}

pub(crate) fn manifest() -> ObjectKey {
    ObjectKey::manifest(UserId::generate(), GenerationId::generate(), 1)
}

#[derive(Debug, thiserror::Error)]
#[error("the provider hung up")]
struct HungUp;

fn chunks(parts: &[&'static str]) -> BoxStream<'static, Result<Bytes, HungUp>> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
    stream::iter(parts).boxed()
}

async fn assert_absent(storage: &Storage, key: &ObjectKey) {
    assert_eq!(storage.read(key).await.unwrap(), None);
    assert_eq!(storage.head(key).await.unwrap(), None);
    assert_eq!(storage.list(KeyPrefix::Everything).count().await, 0);
}

pub(crate) async fn what_is_created_is_read_back(storage: Storage) {
    for key in [image(0), manifest()] {
        storage.create(&key, HELLO).await.unwrap();
        assert_eq!(storage.read(&key).await.unwrap(), Some(HELLO));
        assert_eq!(storage.head(&key).await.unwrap().unwrap().size, 12);
    }
}

pub(crate) async fn an_object_is_never_overwritten(storage: Storage) {
    let key = manifest();
    storage.create(&key, HELLO).await.unwrap();
    let created = storage.create(&key, Bytes::from_static(b"other")).await;
    assert!(matches!(created, Err(StorageError::AlreadyExists { key: taken }) if taken == key));
    let written = storage.write(&key, chunks(&["other"]), 100).await;
    assert!(matches!(written, Err(WriteError::Storage(StorageError::AlreadyExists { .. }))));
    assert_eq!(storage.read(&key).await.unwrap(), Some(HELLO));
}

pub(crate) async fn one_of_many_concurrent_creators_wins(storage: Storage) {
    let key = manifest();
    let mut creators = JoinSet::new();
    for creator in 0..64_u8 {
        let storage = storage.clone();
        creators.spawn(async move { (creator, storage.create(&key, vec![creator; 1_000].into()).await) });
    }
    let outcomes = creators.join_all().await;
    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, outcome)| outcome.is_ok());
    assert_eq!(winners.len(), 1);
    assert!(losers.iter().all(|(_, outcome)| matches!(outcome, Err(StorageError::AlreadyExists { .. }))));
    assert_eq!(storage.read(&key).await.unwrap(), Some(vec![winners[0].0; 1_000].into()));
}

pub(crate) async fn one_of_many_concurrent_writers_wins(storage: Storage) {
    let key = image(0);
    let mut writers = JoinSet::new();
    for writer in 0..64_u8 {
        let storage = storage.clone();
        let bytes = stream::iter((0..2).map(move |_| Ok::<_, HungUp>(vec![writer; 500].into())));
        writers.spawn(async move { (writer, storage.write(&key, bytes, 1_000).await) });
    }
    let outcomes = writers.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(storage.read(&key).await.unwrap(), Some(vec![winners[0].0; 1_000].into()));
}

pub(crate) async fn a_missing_object_is_nothing_rather_than_an_error(storage: Storage) {
    let key = image(0);
    assert_absent(&storage, &key).await;
    assert!(storage.read_from(&key, 0).await.unwrap().is_none());
    assert!(storage.read_from(&key, 7).await.unwrap().is_none());
}

pub(crate) async fn a_stream_is_stored_with_its_size_and_hash(storage: Storage) {
    let key = image(0);
    let written = storage.write(&key, chunks(&["hello", "", ", ", "world"]), 100).await.unwrap();
    assert_eq!(written.size, 12);
    // printf 'hello, world' | sha256sum
    let expected = "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b";
    let found: String = written.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
    assert_eq!(storage.read(&key).await.unwrap(), Some(HELLO));
}

pub(crate) async fn a_stream_of_exactly_the_limit_is_stored(storage: Storage) {
    let key = image(0);
    assert_eq!(storage.write(&key, chunks(&["hello", ", world"]), 12).await.unwrap().size, 12);
}

pub(crate) async fn a_stream_over_the_limit_leaves_nothing(storage: Storage) {
    let key = image(0);
    let refused = storage.write(&key, chunks(&["hello", ", world"]), 11).await;
    assert!(matches!(refused, Err(WriteError::TooLarge { limit: 11 })));
    assert_absent(&storage, &key).await;
}

pub(crate) async fn a_stream_without_an_end_is_not_read_to_it(storage: Storage) {
    let key = image(0);
    let endless = stream::repeat_with(|| Ok::<_, HungUp>(HELLO));
    let refused = storage.write(&key, endless, 1_000_000).await;
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })));
    assert_absent(&storage, &key).await;
}

pub(crate) async fn a_stream_that_breaks_off_leaves_nothing(storage: Storage) {
    let key = image(0);
    let broken = chunks(&["hello"]).chain(stream::iter([Err(HungUp)]));
    assert!(matches!(storage.write(&key, broken, 100).await, Err(WriteError::Source(HungUp))));
    assert_absent(&storage, &key).await;
}

pub(crate) async fn a_stream_that_is_dropped_half_way_leaves_nothing(storage: Storage) {
    let key = image(0);
    {
        let stalled = chunks(&["hello"]).chain(stream::pending());
        let mut write = std::pin::pin!(storage.write(&key, stalled, 100));
        assert!(futures::poll!(&mut write).is_pending());
    }
    assert_absent(&storage, &key).await;
}

pub(crate) async fn an_empty_object_is_an_object(storage: Storage) {
    let key = image(0);
    assert_eq!(storage.write(&key, chunks(&[]), 100).await.unwrap().size, 0);
    assert_eq!(storage.read(&key).await.unwrap(), Some(Bytes::new()));
    let reading = storage.read_from(&key, 0).await.unwrap().unwrap();
    assert_eq!(reading.size, 0);
    assert_eq!(rest(reading).await, Bytes::new());
}

pub(crate) async fn reading_goes_on_from_an_offset(storage: Storage) {
    let key = image(0);
    storage.create(&key, HELLO).await.unwrap();
    for (offset, end) in [(0, "hello, world"), (7, "world"), (11, "d"), (12, ""), (13, "")] {
        let reading = storage.read_from(&key, offset).await.unwrap().unwrap();
        assert_eq!(reading.size, 12, "the size is that of the object");
        assert_eq!(rest(reading).await, end, "from {offset}");
    }
}

pub(crate) async fn a_large_object_streams_whole(storage: Storage) {
    let key = image(0);
    let bytes: Bytes = (0..3_000_000_u32).map(|place| (place % 251) as u8).collect();
    let source: Vec<_> = bytes.chunks(40_001).map(|part| Ok::<_, HungUp>(bytes.slice_ref(part))).collect();
    storage.write(&key, stream::iter(source), 3_000_000).await.unwrap();
    let reading = storage.read_from(&key, 1_000_000).await.unwrap().unwrap();
    assert_eq!(rest(reading).await, bytes[1_000_000..]);
}

pub(crate) async fn a_list_holds_what_is_under_its_prefix(storage: Storage) {
    let (owner, other) = (UserId::generate(), UserId::generate());
    let (first, second) = (GenerationId::generate(), GenerationId::generate());
    let keys = [
        ObjectKey::image(owner, first, 1, 1, 0),
        ObjectKey::manifest(owner, first, 1),
        ObjectKey::image(owner, first, 12, 1, 0),
        ObjectKey::manifest(owner, second, 1),
        ObjectKey::manifest(other, first, 1),
    ];
    for key in &keys {
        storage.create(key, HELLO).await.unwrap();
    }
    let expected = [
        (KeyPrefix::Everything, &keys[..]),
        (KeyPrefix::Owner(owner), &keys[..4]),
        (KeyPrefix::Generation(owner, first), &keys[..3]),
        (KeyPrefix::Attempt(owner, first, 1), &keys[..2]),
        (KeyPrefix::Attempt(other, second, 1), &[]),
    ];
    for (prefix, keys) in expected {
        let listed: Vec<Listed> = storage.list(prefix).try_collect().await.unwrap();
        assert!(listed.iter().all(|object| object.head.size == 12));
        let listed: BTreeSet<_> = listed.into_iter().map(|object| object.key).collect();
        assert_eq!(listed, keys.iter().copied().collect(), "{prefix:?}");
    }
}

pub(crate) async fn a_deleted_object_is_gone_and_deleting_again_is_no_error(storage: Storage) {
    let key = image(0);
    storage.delete(&key).await.unwrap();
    storage.create(&key, HELLO).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert_absent(&storage, &key).await;
    storage.delete(&key).await.unwrap();
}

pub(crate) async fn a_deleted_key_may_be_created_again(storage: Storage) {
    let key = manifest();
    storage.create(&key, Bytes::from_static(b"earlier")).await.unwrap();
    storage.delete(&key).await.unwrap();
    storage.create(&key, HELLO).await.unwrap();
    assert_eq!(storage.read(&key).await.unwrap(), Some(HELLO));
}

pub(crate) async fn the_probe_accepts_this_store_and_leaves_nothing(storage: Storage) {
    storage.probe().await.unwrap();
    assert_eq!(storage.list(KeyPrefix::Everything).count().await, 0);
}

/// The rest of an object, from the offset that was asked for.
async fn rest(reading: Reading) -> Bytes {
    let chunks: Vec<Bytes> = reading.bytes.try_collect().await.unwrap();
    chunks.concat().into()
}
