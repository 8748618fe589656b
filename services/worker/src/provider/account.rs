//! An account at a provider that is reached over HTTP: its address and key, a guarded client that follows no redirect,
//! the hosts its results may come from, and limits on everything it answers.

mod download;
mod hosts;
mod retry_after;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream;
use imagioo_runtime::http::{self, HttpConfig, HttpError};
use imagioo_types::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{CallError, Charged, ProviderImage};
use crate::reason::Reason;
use crate::results::ResultsConfig;
use hosts::AllowedHosts;
pub(super) use retry_after::retry_after;

/// Seconds after which the client gives up by itself. A job's own limits are shorter; a model may be silent for minutes.
const CLIENT_PATIENCE: u64 = 3600;

/// Most bytes of an answer that holds no image.
const MAX_TALK: u64 = 1024 * 1024;

/// What every account over HTTP is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Where the API begins, such as `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; empty for servers that want none.
    #[serde(default)]
    pub api_key: SecretString,
    /// Hosts (`host`, `host:port` or `*.domain`) besides the server's own from which results may be fetched over HTTPS.
    #[serde(default)]
    pub result_hosts: Vec<String>,
    /// Like `result_hosts`, but also over plain HTTP and at private addresses.
    #[serde(default)]
    pub trusted_hosts: Vec<String>,
    /// Whether a call costs money: its intent is noted before it is made.
    #[serde(default = "usually_paid")]
    pub paid: bool,
}

const fn usually_paid() -> bool {
    true
}

impl AccountConfig {
    /// Hosts that may be at private addresses: an API that the operator wrote as plain HTTP, and the trusted hosts.
    fn private_hosts(&self) -> Vec<String> {
        let own = self.base_url.host_str().filter(|_| self.base_url.scheme() == "http");
        let trusted = self.trusted_hosts.iter().map(|host| match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        });
        own.into_iter().chain(trusted).map(|host| host.trim_matches(['[', ']']).to_owned()).collect()
    }
}

/// What every adapter over HTTP works with. Clones share it.
#[derive(Clone)]
pub struct Account {
    pub(super) config: Arc<AccountConfig>,
    client: Client,
    hosts: Arc<AllowedHosts>,
    limits: ResultsConfig,
    clock: Arc<dyn Clock>,
}

impl Account {
    /// The account of a configuration.
    ///
    /// # Errors
    /// [`HttpError`] when no client can be made.
    pub fn open(
        config: AccountConfig,
        limits: &ResultsConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, HttpError> {
        let client = http::client(&HttpConfig {
            trusted_hosts: config.private_hosts(),
            read_timeout_seconds: CLIENT_PATIENCE,
            total_timeout_seconds: CLIENT_PATIENCE,
            ..HttpConfig::default()
        })?;
        let hosts = AllowedHosts::new(&config.base_url, &config.result_hosts, &config.trusted_hosts);
        Ok(Self {
            config: Arc::new(config),
            client,
            hosts: Arc::new(hosts),
            limits: limits.clone(),
            clock: Arc::clone(clock),
        })
    }

    /// An address below the account's own. The path is a catalogue's or an adapter's, never a user's.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.config.base_url.clone();
        let below = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&below);
        url
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request, whatever the status of its answer.
    ///
    /// # Errors
    /// The provider was not reached, or did not answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        request.send().await.map_err(transport_error)
    }

    /// Reads an answer without images: a complaint, a task's state.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn read_talk(&self, response: Response) -> Result<Bytes, CallError> {
        read(response, MAX_TALK).await
    }

    /// Reads an answer that may hold so many images in base64.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn read_images(&self, response: Response, count: u32) -> Result<Bytes, CallError> {
        read(response, self.answer_limit(count)).await
    }

    /// Room for so many images in base64, and for the rest of an answer.
    pub(super) fn answer_limit(&self, count: u32) -> u64 {
        let images = self.limits.image_bytes.saturating_mul(count.into());
        (images / 3).saturating_mul(4).saturating_add(MAX_TALK).min(self.limits.answer_bytes)
    }

    /// The result behind a link. No key is sent along.
    ///
    /// # Errors
    /// [`Reason::ResultHostNotAllowed`] when the host is not listed.
    pub(super) fn fetch(&self, link: &str, seed: Option<i64>) -> Result<ProviderImage, CallError> {
        let url = self.hosts.check(link)?;
        let body = stream::once(download::open(self.client.clone(), url));
        Ok(ProviderImage {
            body: body.flat_map(|opened| opened.unwrap_or_else(download::broken)).boxed(),
            seed,
        })
    }

    /// The time by which an answer's dates are read.
    pub(super) fn now(&self) -> time::OffsetDateTime {
        self.clock.now()
    }
}

/// Reads a body of at most `limit` bytes.
async fn read(mut response: Response, limit: u64) -> Result<Bytes, CallError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(too_long(limit));
    }
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        if (body.len() as u64).saturating_add(chunk.len() as u64) > limit {
            return Err(too_long(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {limit} bytes")]
struct TooLong {
    limit: u64,
}

fn too_long(limit: u64) -> CallError {
    CallError::failed(Reason::ProviderBadAnswer).because(TooLong { limit })
}

/// Only a connection that never stood proves that the provider did nothing.
pub(super) fn transport_error(error: reqwest::Error) -> CallError {
    let (reason, charged) = if error.is_connect() {
        (Reason::ProviderUnavailable, Charged::No)
    } else if error.is_timeout() {
        (Reason::ProviderTimeout, Charged::Unknown)
    } else {
        (Reason::ProviderUnavailable, Charged::Unknown)
    };
    CallError::retry(reason, charged).because(error.without_url())
}

/// A provider's word, cut to what identifiers are made of: it goes to logs and manifests.
pub(super) fn tame(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    text.trim().chars().take_while(allowed).take(64).collect()
}
