//! A private bucket of R2 or of any S3 that honours `If-None-Match: *`.

mod bucket;
mod connector;

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

pub(crate) use bucket::is_unconfirmed;

use self::{bucket::Bucket, connector::Connector};
use crate::{error::StorageError, storage::Storage};

/// Where a bucket is and who may use it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Address of the store without the bucket, such as `https://ACCOUNT.r2.cloudflarestorage.com`.
    pub endpoint: Url,
    /// Its region; R2 has one, `auto`.
    pub region: String,
    /// The bucket. It must be private and exist.
    pub bucket: String,
    /// Who signs.
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: SecretString,
    /// Whether the address may begin with `http:`. For servers on this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether the bucket is the first part of the path rather than of the host's name.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// Seconds until the store must have been reached.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// Seconds until a request must have been answered; for a reading, until more of it must have come.
    #[serde(default = "request_seconds")]
    pub request_seconds: u64,
    /// How often one request is tried at most, when the store is busy or does not answer.
    #[serde(default = "attempts")]
    pub attempts: u32,
}

fn yes() -> bool {
    true
}

fn connect_seconds() -> u64 {
    5
}

fn request_seconds() -> u64 {
    30
}

fn attempts() -> u32 {
    4
}

impl Storage {
    /// Objects in a bucket. Nothing is asked of it yet: [`probe`](Self::probe) does that.
    ///
    /// # Errors
    /// [`StorageError::Misconfigured`], or [`StorageError::Store`] for what cannot be made an address.
    pub fn s3(config: &S3Config) -> Result<Self, StorageError> {
        check(config)?;
        let creating = config.open(Connector::acting(config)?, 0)?;
        let others = config.open(Connector::reading(config)?, config.attempts - 1)?;
        let bucket = Arc::new(Bucket::new(creating, others, config.attempts));
        Ok(Self { signer: Some(bucket.clone()), ..Self::over(bucket) })
    }
}

impl S3Config {
    fn open(&self, connector: Connector, retries: u32) -> Result<AmazonS3, StorageError> {
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
            max_retries: retries as usize,
            retry_timeout: Duration::from_secs(self.request_seconds.saturating_mul(u64::from(self.attempts))),
        };
        let builder = AmazonS3Builder::new()
            .with_endpoint(self.address()?.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(!self.path_style)
            .with_region(&self.region)
            .with_bucket_name(&self.bucket)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(self.secret_access_key.expose_secret())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // One request per object is understood everywhere, and one object is what we delete.
            .with_disable_bulk_delete(true)
            .with_allow_http(self.allow_http)
            .with_http_connector(connector)
            .with_retry(retry);
        Ok(builder.build()?)
    }

    /// The address of the bucket, or of the store if the path names the bucket.
    fn address(&self) -> Result<Url, StorageError> {
        let mut address = self.endpoint.clone();
        let host = address.host_str().ok_or(misconfigured("`endpoint` names no host"))?;
        if !self.path_style {
            let host = format!("{}.{host}", self.bucket);
            address
                .set_host(Some(&host))
                .map_err(|_| misconfigured("`bucket` cannot be part of a host's name"))?;
        }
        Ok(address)
    }
}

/// Anything left out here would make `object_store` look for credentials elsewhere.
fn check(config: &S3Config) -> Result<(), StorageError> {
    let problems = [
        (config.region.is_empty(), "`region` is empty; write `auto` for R2"),
        (config.bucket.is_empty(), "`bucket` is empty"),
        (config.access_key_id.is_empty(), "`access_key_id` is empty"),
        (config.secret_access_key.expose_secret().is_empty(), "`secret_access_key` is empty"),
        (config.endpoint.cannot_be_a_base(), "`endpoint` is no address"),
        (
            !config.endpoint.username().is_empty() || config.endpoint.password().is_some(),
            "`endpoint` carries a password; give it as `secret_access_key`",
        ),
        (
            config.endpoint.scheme() != "https" && !config.allow_http,
            "`endpoint` is not https; set `allow_http` for a server on this machine",
        ),
        (config.connect_seconds == 0 || config.request_seconds == 0, "a time-out is zero"),
        (config.attempts == 0, "`attempts` is zero"),
    ];
    match problems.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, problem)) => Err(misconfigured(problem)),
        None => Ok(()),
    }
}

fn misconfigured(problem: &'static str) -> StorageError {
    StorageError::Misconfigured { problem }
}
