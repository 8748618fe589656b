//! Whatever a store does wrong, a creation that succeeds has stored its object, and a taken key is taken.

use bytes::Bytes;
use http::Method;
use imagioo_storage::{S3Config, Storage, StorageError};
use imagioo_testkit::s3::{Fault, S3Server};

use super::{bucket, config};
use crate::conformance::manifest;

const MINE: Bytes = Bytes::from_static(b"mine");
const OTHERS: Bytes = Bytes::from_static(b"others");
const ALWAYS: usize = 100;

/// What a creation says and what there is afterwards, on a store that misbehaves so many times.
async fn create_despite(fault: Fault, times: usize) -> (Result<(), StorageError>, Option<Bytes>) {
    let (storage, server) = bucket().await;
    let key = manifest();
    server.inject(&Method::PUT, fault, times);
    let created = storage.create(&key, MINE).await;
    (created, storage.read(&key).await.unwrap())
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_moment_is_asked_again() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let (created, found) = create_despite(fault, 2).await;
        created.unwrap();
        assert_eq!(found, Some(MINE));
    }
}

#[tokio::test]
async fn r47_a_store_that_stays_busy_is_an_error_and_no_taken_key() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let (created, found) = create_despite(fault, ALWAYS).await;
        assert!(matches!(created, Err(StorageError::Store(_))), "{fault:?}: {created:?}");
        assert_eq!(found, None);
    }
}

#[tokio::test]
async fn a_creation_that_was_carried_out_though_it_failed_is_ours() {
    for fault in [Fault::UnavailableAfterwards, Fault::HangsUpAfterwards] {
        let (created, found) = create_despite(fault, 1).await;
        created.unwrap();
        assert_eq!(found, Some(MINE));
    }
}

#[tokio::test]
async fn an_object_of_another_is_not_ours_after_a_failure() {
    let (storage, server) = bucket().await;
    for (fault, others) in
        [(Fault::Unavailable, OTHERS), (Fault::UnavailableAfterwards, Bytes::from_static(b"them"))]
    {
        let key = manifest();
        storage.create(&key, others.clone()).await.unwrap();
        server.inject(&Method::PUT, fault, 1);
        let refused = storage.create(&key, MINE).await;
        assert!(matches!(refused, Err(StorageError::AlreadyExists { .. })));
        assert_eq!(storage.read(&key).await.unwrap(), Some(others));
    }
}

#[tokio::test]
async fn without_a_failure_an_equal_object_is_anothers() {
    let (storage, _server) = bucket().await;
    let key = manifest();
    storage.create(&key, MINE).await.unwrap();
    assert!(matches!(storage.create(&key, MINE).await, Err(StorageError::AlreadyExists { .. })));
}

#[tokio::test]
async fn r47_a_success_without_the_object_is_a_failure() {
    let (created, found) = create_despite(Fault::LosesObject, 1).await;
    assert!(matches!(created, Err(StorageError::Corrupt)));
    assert_eq!(found, None);
}

#[tokio::test]
async fn r47_a_success_with_the_etag_of_other_bytes_is_a_failure() {
    let (created, _) = create_despite(Fault::WrongETag, 1).await;
    assert!(matches!(created, Err(StorageError::Corrupt)));
}

#[tokio::test]
async fn r47_credentials_that_expired_are_an_error_at_once() {
    let (storage, server) = bucket().await;
    server.inject(&Method::PUT, Fault::ExpiredCredentials, 1);
    let refused = storage.create(&manifest(), MINE).await;
    assert!(matches!(refused, Err(StorageError::Store(_))), "a second try would have succeeded");
}

#[tokio::test]
async fn r47_a_store_that_does_not_answer_is_given_up_or_asked_again() {
    let server = S3Server::start().await.unwrap();
    let hasty =
        |attempts| Storage::s3(&S3Config { request_seconds: 1, attempts, ..config(&server) }).unwrap();
    let key = manifest();
    server.inject(&Method::PUT, Fault::Silent, 1);
    assert!(matches!(hasty(1).create(&key, MINE).await, Err(StorageError::Store(_))));
    server.inject(&Method::PUT, Fault::Silent, 1);
    hasty(2).create(&key, MINE).await.unwrap();
    server.inject(&Method::GET, Fault::Silent, 1);
    assert!(matches!(hasty(1).read(&key).await, Err(StorageError::Store(_))));
    server.inject(&Method::GET, Fault::Silent, 1);
    assert_eq!(hasty(2).read(&key).await.unwrap(), Some(MINE));
}

#[tokio::test]
async fn a_reading_is_repeated_and_never_mistaken_for_nothing() {
    let (storage, server) = bucket().await;
    let key = manifest();
    storage.create(&key, MINE).await.unwrap();
    server.inject(&Method::GET, Fault::Unavailable, 2);
    assert_eq!(storage.read(&key).await.unwrap(), Some(MINE));
    server.inject(&Method::GET, Fault::Unavailable, ALWAYS);
    assert!(matches!(storage.read(&key).await, Err(StorageError::Store(_))));
    server.inject(&Method::HEAD, Fault::Unavailable, ALWAYS);
    assert!(matches!(storage.head(&key).await, Err(StorageError::Store(_))));
}

#[tokio::test]
async fn a_creation_that_cannot_be_confirmed_is_no_success() {
    let (storage, server) = bucket().await;
    server.inject(&Method::HEAD, Fault::Unavailable, ALWAYS);
    assert!(matches!(storage.create(&manifest(), MINE).await, Err(StorageError::Store(_))));
}

#[tokio::test]
async fn a_bucket_that_ignores_conditions_is_refused_by_the_probe() {
    let (storage, server) = bucket().await;
    server.inject(&Method::PUT, Fault::IgnoresConditions, 2);
    assert!(matches!(storage.probe().await, Err(StorageError::Unconditional)));
}
