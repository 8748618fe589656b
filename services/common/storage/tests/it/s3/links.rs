//! Signed links: what opens an object and what does not.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use imagioo_storage::{LONGEST_LINK, ObjectKey, Storage, StorageError};
use imagioo_testkit::s3::{BUCKET, S3Server};
use tokio::time::timeout;
use url::Url;

use super::bucket;
use crate::conformance::image;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const HANG: Duration = Duration::from_secs(60);
const PICTURE: Bytes = Bytes::from_static(b"a picture");

async fn stored() -> (Storage, S3Server, ObjectKey) {
    let (storage, server) = bucket().await;
    let key = image(0);
    storage.create(&key, PICTURE).await.unwrap();
    (storage, server, key)
}

async fn request(method: Method, link: Url) -> (StatusCode, Bytes) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.request(method, link).body(Bytes::new()).send().await.unwrap();
    (response.status(), response.bytes().await.unwrap())
}

async fn assert_refused(method: Method, link: Url) {
    let (status, body) = request(method, link).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!body.windows(PICTURE.len()).any(|part| part == PICTURE));
}

/// The link with one parameter changed.
fn with(link: &Url, name: &str, change: impl Fn(&str) -> String) -> Url {
    let mut changed = link.clone();
    let pairs = link.query_pairs().map(|(found, value)| {
        let value = if found == name { change(&value) } else { value.into_owned() };
        (found.into_owned(), value)
    });
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    assert_ne!(&changed, link, "there is no parameter {name}");
    changed
}

#[tokio::test]
async fn a_signed_link_reads_its_object_without_credentials() {
    let (storage, _server, key) = stored().await;
    let link = storage.sign_get(&key, MINUTE).await.unwrap();
    assert_eq!(request(Method::GET, link).await, (StatusCode::OK, PICTURE));
}

#[tokio::test]
async fn a_link_lives_no_longer_than_it_was_signed_for() {
    let (storage, _server, key) = stored().await;
    let link = storage.sign_get(&key, SECOND).await.unwrap();
    let expired = async {
        while request(Method::GET, link.clone()).await.0 == StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, expired).await.unwrap();
    assert_refused(Method::GET, link).await;
}

#[tokio::test]
async fn a_changed_link_is_refused() {
    let (storage, _server, key) = stored().await;
    let link = storage.sign_get(&key, MINUTE).await.unwrap();
    let flip = |value: &str| {
        let last = if value.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &value[..value.len() - 1])
    };
    assert_refused(Method::GET, with(&link, "X-Amz-Signature", flip)).await;
    assert_refused(Method::GET, with(&link, "X-Amz-Expires", |_| "900".to_owned())).await;
    assert_refused(Method::GET, with(&link, "X-Amz-Date", flip_second)).await;
}

/// The same date, a second off.
fn flip_second(date: &str) -> String {
    let (rest, second) = (&date[..date.len() - 2], &date[date.len() - 2..date.len() - 1]);
    format!("{rest}{}Z", if second == "0" { '1' } else { '0' })
}

#[tokio::test]
async fn a_link_opens_no_other_object() {
    let (storage, _server, key) = stored().await;
    let other = image(1);
    storage.create(&other, PICTURE).await.unwrap();
    let mut link = storage.sign_get(&key, MINUTE).await.unwrap();
    link.set_path(&format!("/{BUCKET}/{other}"));
    assert_refused(Method::GET, link).await;
}

#[tokio::test]
async fn a_link_for_reading_neither_writes_nor_deletes() {
    let (storage, _server, key) = stored().await;
    let link = storage.sign_get(&key, MINUTE).await.unwrap();
    assert_refused(Method::PUT, link.clone()).await;
    assert_refused(Method::DELETE, link).await;
    assert_eq!(storage.read(&key).await.unwrap(), Some(PICTURE));
}

#[tokio::test]
async fn nobody_reads_or_lists_without_a_signature() {
    let (storage, server, key) = stored().await;
    let mut link = storage.sign_get(&key, MINUTE).await.unwrap();
    link.set_query(None);
    assert_refused(Method::GET, link).await;
    for list in ["", "?list-type=2"] {
        assert_refused(Method::GET, format!("{}/{BUCKET}{list}", server.endpoint()).parse().unwrap()).await;
    }
}

#[tokio::test]
async fn a_link_lives_from_one_second_to_fifteen_minutes() {
    let (storage, _server, key) = stored().await;
    for lifetime in [Duration::ZERO, SECOND / 2, LONGEST_LINK + SECOND, Duration::MAX] {
        let refused = storage.sign_get(&key, lifetime).await;
        assert!(matches!(refused, Err(StorageError::Lifetime { longest: LONGEST_LINK })), "{lifetime:?}");
    }
    for lifetime in [SECOND, LONGEST_LINK] {
        storage.sign_get(&key, lifetime).await.unwrap();
    }
}

#[tokio::test]
async fn stores_that_cannot_sign_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for storage in [Storage::memory(), Storage::local(folder.path()).unwrap()] {
        let refused = storage.sign_get(&image(0), MINUTE).await;
        assert!(matches!(refused, Err(StorageError::Unsupported)));
    }
}
