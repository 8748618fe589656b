//! The local folder: the common properties, and what its files must look like.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use imagioo_storage::{KeyPrefix, Storage, StorageError};
use tempfile::TempDir;

use crate::conformance::{self, image, manifest};

conformance::properties!(local());

fn local() -> (Storage, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Storage::local(folder.path()).unwrap(), folder)
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found
}

#[tokio::test]
async fn a_missing_folder_is_made_and_an_existing_one_keeps_its_objects() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data").join("objects");
    let key = image(1);
    Storage::local(&folder).unwrap().create(&key, Bytes::from_static(b"kept")).await.unwrap();
    let reopened = Storage::local(&folder).unwrap();
    assert_eq!(reopened.read(&key).await.unwrap(), Some(Bytes::from_static(b"kept")));
}

#[test]
fn a_new_folder_is_closed_to_other_users_of_the_machine() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data").join("objects");
    let _storage = Storage::local(&folder).unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = Storage::local(&file.path().join("objects"));
    assert!(matches!(refused, Err(StorageError::Folder(_))));
}

#[tokio::test]
async fn neither_losers_nor_failures_nor_deletions_leave_a_file() {
    let (storage, folder) = local();
    let key = image(1);
    storage.create(&key, Bytes::from_static(b"first")).await.unwrap();
    storage.create(&key, Bytes::from_static(b"second")).await.unwrap_err();
    let long = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"too long"))]);
    storage.write(&image(2), long, 3).await.unwrap_err();
    storage.delete(&key).await.unwrap();
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_half_written_file_of_a_killed_process_is_no_object() {
    let (storage, folder) = local();
    let key = manifest();
    let path = folder.path().join(key.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(format!("{}#1", path.display()), b"half").unwrap();
    assert_eq!(storage.read(&key).await.unwrap(), None);
    assert_eq!(storage.list(KeyPrefix::Everything).count().await, 0);
    storage.create(&key, Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(storage.read(&key).await.unwrap(), Some(Bytes::from_static(b"whole")));
}

#[tokio::test]
async fn a_foreign_file_is_not_listed() {
    let (storage, folder) = local();
    std::fs::write(folder.path().join("notes.txt"), b"foreign").unwrap();
    assert_eq!(storage.list(KeyPrefix::Everything).count().await, 0);
}
