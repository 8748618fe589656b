//! The manifest: how an attempt ended, stored once by whoever is first.

use bytes::Bytes;
use imagioo_proto::generation::v1 as generation;
use imagioo_proto::jobs::v1::{self as proto, manifest};
use imagioo_storage::StorageError;
use prost::Message as _;
use time::OffsetDateTime;

use crate::attempt::{Ending, Outcome};
use crate::backoff::Backoff;
use crate::job::Job;
use crate::provider::{Charged, Refusal};
use crate::reason::Reason;
use crate::results::Delivered;
use crate::screening::SCREEN;
use crate::worker::Worker;

/// Whether this attempt has a manifest. Asks until the store answers.
pub(crate) async fn exists(worker: &Worker, job: &Job) -> bool {
    let mut backoff = Backoff::endless();
    loop {
        match worker.storage.head(&job.manifest_key()).await {
            Ok(head) => return head.is_some(),
            Err(error) => warn(job, &error, "manifest not looked up"),
        }
        backoff.wait().await;
    }
}

/// Stores the outcome, unless the attempt has one already; either way there is one when this returns, and the answer says
/// whether it is this one. Tries until the store takes it: without a manifest the outcome is nobody's.
pub(crate) async fn settle(worker: &Worker, job: &Job, outcome: &Outcome) -> bool {
    let manifest = Bytes::from(encode(worker, job, outcome).encode_to_vec());
    let mut backoff = Backoff::endless();
    loop {
        match worker.storage.create(&job.manifest_key(), manifest.clone()).await {
            Ok(()) => return true,
            Err(StorageError::AlreadyExists { .. }) => match worker.storage.read(&job.manifest_key()).await {
                Ok(Some(found)) => {
                    let mine = found == manifest;
                    tracing::info!(generation = %job.lease.generation, mine, "manifest stands already");
                    return mine;
                }
                Ok(None) => {}
                Err(error) => warn(job, &error, "manifest not read back"),
            },
            Err(error) => warn(job, &error, "manifest not stored"),
        }
        backoff.wait().await;
    }
}

fn warn(job: &Job, error: &StorageError, what: &'static str) {
    tracing::warn!(generation = %job.lease.generation, error = error as &dyn std::error::Error, "{what}");
}

fn encode(worker: &Worker, job: &Job, outcome: &Outcome) -> proto::Manifest {
    proto::Manifest {
        generation: job.lease.generation.name(),
        attempt: i32::try_from(job.lease.attempt).unwrap_or(i32::MAX),
        epoch: i64::try_from(job.lease.epoch).unwrap_or(i64::MAX),
        worker: worker.id.clone(),
        images: outcome.images.iter().map(stored).collect(),
        ending: Some(ending(&outcome.ending, &job.deployment.provider)),
        finish_time: Some(timestamp(worker.clock.now())),
    }
}

fn stored(delivered: &Delivered) -> proto::StoredImage {
    let Delivered { stored, screening } = delivered;
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    proto::StoredImage {
        object_key: stored.key.to_string(),
        index: number(stored.index),
        format: generation::ImageFormat::from(stored.image.format).into(),
        width: number(stored.image.width),
        height: number(stored.image.height),
        size_bytes: i64::try_from(stored.size).unwrap_or(i64::MAX),
        sha256: Bytes::copy_from_slice(&stored.image.sha256),
        seed: stored.seed,
        screening: screening.clone(),
    }
}

fn ending(ending: &Ending, provider: &str) -> manifest::Ending {
    match ending {
        Ending::Complete => manifest::Ending::Complete(proto::Complete {}),
        Ending::Cancelled => manifest::Ending::Cancelled(proto::Cancelled {}),
        Ending::Failed(reason) => manifest::Ending::Failed(failure(*reason)),
        Ending::Refused(refusal) => manifest::Ending::Refused(refused(refusal, provider)),
        Ending::Blocked(refusal) => manifest::Ending::Refused(refused(refusal, SCREEN)),
        Ending::Retry { cause, not_before, charged } => manifest::Ending::Retry(proto::Retry {
            cause: Some(failure(*cause)),
            not_before: not_before.map(timestamp),
            charged: match charged {
                Charged::No => proto::Charged::No,
                Charged::Unknown => proto::Charged::Unknown,
            }
            .into(),
        }),
    }
}

fn refused(refusal: &Refusal, by: &str) -> generation::ContentPolicy {
    generation::ContentPolicy {
        stage: if refusal.output { "output" } else { "input" }.to_owned(),
        categories: refusal.categories.clone(),
        provider: by.to_owned(),
    }
}

fn failure(reason: Reason) -> generation::Failure {
    generation::Failure {
        reason: reason.as_str().to_owned(),
        message: reason.sentence().to_owned(),
        content_policy: None,
    }
}

fn timestamp(time: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or(0),
    }
}
