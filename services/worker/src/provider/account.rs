//! An account at a provider that is reached over HTTP: its address and key, a guarded client that follows no redirect,
//! the hosts its results may come from, and limits on everything it answers.

mod answer;
pub(super) mod complaint;
mod download;
mod hosts;
mod poll;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use imagioo_runtime::http::{self, HttpConfig, HttpError};
use imagioo_types::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{CallError, Charged, ProviderImage};
use crate::reason::Reason;
use crate::results::ResultsConfig;
pub(super) use answer::{Answer, NoAnswer};
use complaint::{Complaint, by_status};
use download::Download;
use hosts::{AllowedHosts, is_host};
pub(super) use imagioo_runtime::http::retry_after;
pub(super) use poll::poll;

/// Seconds after which the client gives up by itself. A job's own limits are shorter; a model may be silent for minutes.
const CLIENT_PATIENCE: u64 = 3600;

/// Most bytes of an answer that holds no image.
const MAX_TALK: u64 = 1024 * 1024;

/// How many silences of a download fit into the time that an image may take.
const SILENCES: u32 = 4;

/// What an account over HTTP is told; `D` is what its kind alone is told besides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig<D = Standard> {
    /// Where the API begins, such as `https://api.openai.com/v1`; the provider's own address when absent.
    pub base_url: Option<Url>,
    /// The key; empty for servers that want none.
    #[serde(default)]
    pub api_key: SecretString,
    /// Hosts (`host`, `host:port` or `*.domain`) besides the provider's own from which results may be fetched over
    /// HTTPS.
    #[serde(default)]
    pub result_hosts: Vec<String>,
    /// Like `result_hosts`, but also over plain HTTP and at private addresses.
    #[serde(default)]
    pub trusted_hosts: Vec<String>,
    /// Whether a call costs money: its intent is noted before it is made. The provider's usual answer when absent.
    pub paid: Option<bool>,
    /// How this server departs from others of its kind.
    #[serde(default)]
    pub dialect: D,
}

/// The dialect of a kind that has only one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {}

/// What is so for every account of a kind, unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Where the provider's API begins; empty for servers that people run themselves.
    pub(crate) base_url: &'static str,
    /// More hosts of the API, which also get the key: `host` or `*.domain`.
    pub(crate) api_hosts: &'static [&'static str],
    /// Where its results are besides: `host` or `*.domain`.
    pub(crate) result_hosts: &'static [&'static str],
    /// Whether calls usually cost money.
    pub(crate) paid: bool,
}

/// An account that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No address, or one that no API can have.
    #[error("base_url must be given and begin with http:// or https://")]
    Address,
    /// A host with a scheme or a path.
    #[error("`{0}` is not a host: write host, host:port or *.domain")]
    Host(String),
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] HttpError),
}

/// What every adapter over HTTP works with. Clones share it.
#[derive(Clone)]
pub struct Account {
    base_url: Url,
    api_key: SecretString,
    paid: bool,
    client: Client,
    hosts: Arc<AllowedHosts>,
    limits: ResultsConfig,
    clock: Arc<dyn Clock>,
}

impl Account {
    /// The account of a configuration.
    ///
    /// # Errors
    /// Everything that makes no sense.
    pub(crate) fn open<D>(
        config: &AccountConfig<D>,
        kind: Kind,
        limits: &ResultsConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Vec<AccountError>> {
        let listed = config.result_hosts.iter().chain(&config.trusted_hosts);
        let mut mistakes: Vec<_> =
            listed.filter(|host| !is_host(host)).cloned().map(AccountError::Host).collect();
        let base_url = config.base_url.clone().or_else(|| Url::parse(kind.base_url).ok());
        let base_url = match base_url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            Some(base_url) if mistakes.is_empty() => base_url,
            Some(_) => return Err(mistakes),
            None => {
                mistakes.push(AccountError::Address);
                return Err(mistakes);
            }
        };
        let hosts = AllowedHosts::new(&base_url, kind, config);
        let client = http::client(&HttpConfig {
            trusted_hosts: hosts.private(),
            read_timeout_seconds: CLIENT_PATIENCE,
            total_timeout_seconds: CLIENT_PATIENCE,
            ..HttpConfig::default()
        });
        Ok(Self {
            base_url,
            api_key: config.api_key.clone(),
            paid: config.paid.unwrap_or(kind.paid),
            client: client.map_err(|error| vec![error.into()])?,
            hosts: Arc::new(hosts),
            limits: limits.clone(),
            clock: Arc::clone(clock),
        })
    }

    /// The same account with another key. What is sent goes where it went before, and nowhere else.
    pub(super) fn with_key(&self, key: &SecretString) -> Self {
        Self { api_key: key.clone(), ..self.clone() }
    }

    /// Whether calls cost money.
    pub(super) fn paid(&self) -> bool {
        self.paid
    }

    /// The key, if the server wants one.
    pub(super) fn key(&self) -> Option<&str> {
        Some(self.api_key.expose_secret()).filter(|key| !key.is_empty())
    }

    /// An address below the account's own. The path is a catalogue's or an adapter's, never a user's.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let below = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&below);
        url
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// The address that a provider gave for its own API, such as where to poll. The key is sent there.
    ///
    /// # Errors
    /// [`Reason::ResultHostNotAllowed`] when the host is not listed.
    pub(super) fn given(&self, link: &str) -> Result<Url, CallError> {
        self.hosts.api(link)
    }

    /// Sends a request, whatever the status of its answer.
    ///
    /// # Errors
    /// The provider was not reached, or did not answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        request.send().await.map_err(transport_error)
    }

    /// Sends a request that costs nothing; fine if its answer has one of these statuses and is JSON, which a web server that
    /// answers everything with a page is not.
    ///
    /// # Errors
    /// The provider was not reached, or its answer is of another kind.
    pub(super) async fn probe(&self, request: RequestBuilder, fine: &[u16]) -> Result<(), CallError> {
        let answer = self.talk(request).await?;
        if fine.contains(&answer.status.as_u16()) {
            let said: serde_json::Value = answer.parse()?;
            return match said.is_object() || said.is_array() {
                true => Ok(()),
                false => Err(CallError::failed(Reason::ProviderBadAnswer)),
            };
        }
        let said = Complaint { status: answer.status.as_u16(), ..Complaint::default() };
        Err(by_status(answer.status, retry_after(&answer.headers, self.now())).because(said))
    }

    /// Sends a request whose answer holds no image, such as one after a task.
    ///
    /// # Errors
    /// As [`Account::send`]; or the answer is too long, or breaks off.
    pub(super) async fn talk(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        self.read_talk(self.send(request).await?).await
    }

    /// Reads an answer without images: a complaint, a task's state.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn read_talk(&self, response: Response) -> Result<Answer, CallError> {
        Answer::read(response, MAX_TALK).await
    }

    /// Reads an answer that may hold so many images in base64.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn read_images(&self, response: Response, count: u32) -> Result<Answer, CallError> {
        Answer::read(response, self.answer_limit(count)).await
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
        let download = Download {
            client: self.client.clone(),
            url: self.hosts.result(link)?,
            limit: self.limits.image_bytes,
            silence: Duration::from_secs(self.limits.image_seconds) / SILENCES,
        };
        Ok(ProviderImage { body: stream::once(download.fetch()).boxed(), seed })
    }

    /// The time by which an answer's dates are read.
    pub(super) fn now(&self) -> time::OffsetDateTime {
        self.clock.now()
    }
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
