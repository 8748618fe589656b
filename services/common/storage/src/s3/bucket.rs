//! Creating objects in a bucket so that "created" and "exists already" are both true.
//!
//! `object_store` repeats a request after a 5xx and after a broken connection. A conditional create that was
//! carried out although it failed would then meet its own object and report that another writer was first;
//! and a 409, which says that another conditional request is under way, it reports as "exists already". So
//! creations go through a client that never repeats, and are repeated here, where it is known whether an
//! earlier try may have succeeded: only then an object that exists is compared with ours.
//!
//! A success is confirmed by one HEAD (size and ETag): a few tens of milliseconds beside a generation of
//! seconds, and no image is captured, no manifest believed, that the store does not have.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::Method;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    aws::AmazonS3, path::Path, signer::Signer,
};
use url::Url;

/// Before the second try; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Bucket {
    /// Tries every request once.
    creating: AmazonS3,
    /// Repeats by itself what may be repeated.
    others: AmazonS3,
    attempts: u32,
}

/// A store said that it has an object and does not.
#[derive(Debug, thiserror::Error)]
#[error("the store reported success without the object")]
struct Unconfirmed;

/// Whether a creation failed because the store reported a success that is none.
pub(crate) fn is_unconfirmed(error: &Error) -> bool {
    matches!(error, Error::Generic { source, .. } if source.is::<Unconfirmed>())
}

/// What a failed try of a creation says.
enum Failure {
    /// Nothing was done: the key is taken.
    Exists,
    /// Nothing was done: another request for this key is under way.
    Conflict,
    /// It may have been done, or may be done yet.
    Doubt,
    /// Nothing was done, and the same request will fare no better.
    Refusal,
}

impl Failure {
    fn of(error: &Error) -> Self {
        match error {
            Error::AlreadyExists { source, .. } => match source.downcast_ref() {
                Some(Error::Precondition { .. } | Error::NotModified { .. }) => Self::Exists,
                _ => Self::Conflict,
            },
            Error::Generic { .. } => Self::Doubt,
            _ => Self::Refusal,
        }
    }
}

impl Bucket {
    pub(super) fn new(creating: AmazonS3, others: AmazonS3, attempts: u32) -> Self {
        Self { creating, others, attempts }
    }

    async fn create(&self, path: &Path, payload: PutPayload) -> Result<PutResult> {
        let (mut doubt, mut pause, mut left) = (false, PAUSE, self.attempts);
        loop {
            left = left.saturating_sub(1);
            let options = PutOptions::from(PutMode::Create);
            let error = match self.creating.put_opts(path, payload.clone(), options).await {
                Ok(put) => return self.confirm(path, payload.content_length(), put).await,
                Err(error) => error,
            };
            match Failure::of(&error) {
                Failure::Exists if doubt => return self.recognise(path, payload, error).await,
                Failure::Exists | Failure::Refusal => return Err(error),
                Failure::Conflict if left == 0 => {
                    return Err(Error::Generic { store: "S3", source: error.into() });
                }
                Failure::Doubt if left == 0 => return Err(error),
                Failure::Conflict => {}
                Failure::Doubt => doubt = true,
            }
            tracing::debug!(error = &error as &dyn std::error::Error, left, "creation is tried again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Believes a success only if the object is there.
    async fn confirm(&self, path: &Path, size: usize, put: PutResult) -> Result<PutResult> {
        let found = match self.others.head(path).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Err(unconfirmed()),
            Err(error) => return Err(error),
        };
        let other = match (&put.e_tag, &found.e_tag) {
            (Some(promised), Some(found)) => strong(promised) != strong(found),
            _ => false,
        };
        if other || found.size != size as u64 { Err(unconfirmed()) } else { Ok(put) }
    }

    /// An object exists where an earlier try of ours may have put it: ours, if it is equal.
    async fn recognise(&self, path: &Path, payload: PutPayload, exists: Error) -> Result<PutResult> {
        let found = self.others.get(path).await?;
        let meta = found.meta.clone();
        if meta.size != payload.content_length() as u64 || found.bytes().await? != Bytes::from(payload) {
            return Err(exists);
        }
        Ok(PutResult { e_tag: meta.e_tag, version: meta.version, extensions: Default::default() })
    }
}

fn unconfirmed() -> Error {
    Error::Generic { store: "S3", source: Unconfirmed.into() }
}

/// A proxy that repacks an answer weakens its ETag.
fn strong(e_tag: &str) -> &str {
    e_tag.strip_prefix("W/").unwrap_or(e_tag)
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.others.fmt(f)
    }
}

/// For people and logs: no credentials.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({self})")
    }
}

#[async_trait]
impl Signer for Bucket {
    async fn signed_url(&self, method: Method, path: &Path, expires_in: Duration) -> Result<Url> {
        self.others.signed_url(method, path, expires_in).await
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match options.mode {
            PutMode::Create => self.create(path, payload).await,
            _ => self.others.put_opts(path, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.others.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.others.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.others.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.others.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.others.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.others.copy_opts(from, to, options).await
    }
}
