//! Who is let in, and which descriptions of a bucket are refused.

use bytes::Bytes;
use futures::TryStreamExt as _;
use imagioo_storage::{KeyPrefix, S3Config, Storage, StorageError};
use imagioo_testkit::s3::{S3Server, SECRET_ACCESS_KEY};

use super::{bucket, config};
use crate::conformance::image;

async fn assert_shut_out(config: &S3Config) {
    let storage = Storage::s3(config).unwrap();
    let key = image(0);
    assert!(matches!(storage.create(&key, Bytes::new()).await, Err(StorageError::Store(_))));
    assert!(matches!(storage.read(&key).await, Err(StorageError::Store(_))));
    assert!(matches!(storage.head(&key).await, Err(StorageError::Store(_))));
    assert!(matches!(storage.delete(&key).await, Err(StorageError::Store(_))));
    assert!(storage.list(KeyPrefix::Everything).try_collect::<Vec<_>>().await.is_err());
    assert!(matches!(storage.probe().await, Err(StorageError::Store(_))));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_everything() {
    let server = S3Server::start().await.unwrap();
    assert_shut_out(&S3Config { secret_access_key: "another secret".into(), ..config(&server) }).await;
}

#[tokio::test]
async fn an_unknown_key_is_refused_everything() {
    let server = S3Server::start().await.unwrap();
    assert_shut_out(&S3Config { access_key_id: "somebody".to_owned(), ..config(&server) }).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_rather_than_an_empty_store() {
    let server = S3Server::start().await.unwrap();
    let config = S3Config { attempts: 2, ..config(&server) };
    drop(server);
    assert_shut_out(&config).await;
}

#[tokio::test]
async fn no_secret_is_printed() {
    let (storage, server) = bucket().await;
    let refused = S3Config { access_key_id: "somebody".to_owned(), ..config(&server) };
    let error = Storage::s3(&refused).unwrap().read(&image(0)).await.unwrap_err();
    for printed in [format!("{storage:?}"), format!("{:?}", config(&server)), format!("{error:?} {error}")] {
        assert!(!printed.contains(SECRET_ACCESS_KEY), "{printed}");
        assert!(!printed.contains("Signature="), "{printed}");
    }
}

#[tokio::test]
async fn a_wrong_description_says_what_to_do() {
    let server = S3Server::start().await.unwrap();
    let right = || config(&server);
    let wrong = [
        ("region", S3Config { region: String::new(), ..right() }),
        ("bucket", S3Config { bucket: String::new(), ..right() }),
        ("access_key_id", S3Config { access_key_id: String::new(), ..right() }),
        ("secret_access_key", S3Config { secret_access_key: "".into(), ..right() }),
        ("allow_http", S3Config { allow_http: false, ..right() }),
        ("endpoint", S3Config { endpoint: "mailto:someone@example.com".parse().unwrap(), ..right() }),
        ("password", S3Config { endpoint: "https://a:b@example.com".parse().unwrap(), ..right() }),
        ("time-out", S3Config { request_seconds: 0, ..right() }),
        ("attempts", S3Config { attempts: 0, ..right() }),
    ];
    for (word, config) in wrong {
        let refused = Storage::s3(&config).unwrap_err();
        assert!(matches!(refused, StorageError::Misconfigured { .. }), "{word}");
        assert!(refused.to_string().contains(word), "{word}: {refused}");
    }
}

#[tokio::test]
async fn the_bucket_is_part_of_the_host_unless_the_path_names_it() {
    let server = S3Server::start().await.unwrap();
    let endpoint = || "https://s3.example.com".parse().unwrap();
    for (path_style, beginning) in [
        (true, "https://s3.example.com/imagioo-test/usr_"),
        (false, "https://imagioo-test.s3.example.com/usr_"),
    ] {
        let config = S3Config { endpoint: endpoint(), path_style, ..config(&server) };
        let link = Storage::s3(&config).unwrap().sign_get(&image(0), super::links::MINUTE).await.unwrap();
        assert!(link.as_str().starts_with(beginning), "{link}");
    }
}
