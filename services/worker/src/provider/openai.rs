//! The OpenAI Images API, and every server that speaks it (`POST …/images/generations`).
//!
//! Synchronous: there is no task to resume and no call to look up, so a call whose answer was lost stays unknown.
//! Compatible servers differ in what they accept and return; only configured parameters are sent, and what arrives is
//! counted, not believed.

mod answer;
mod complaint;
mod download;
mod request;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream;
use imagioo_types::Clock;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{Call, CallError, Capabilities, Charged, Images, Provider, ProviderImage, Submission};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use crate::results::ResultsConfig;
use answer::Found;
use download::AllowedHosts;
pub use request::Parameter;

/// An account at a server that speaks the OpenAI Images API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Where the API begins, such as `https://api.openai.com/v1`.
    pub base_url: Url,
    /// Sent as a bearer token; empty for servers that want none.
    #[serde(default)]
    pub api_key: SecretString,
    /// Hosts (`host` or `host:port`) besides the server's own from which results may be fetched over HTTPS.
    #[serde(default)]
    pub result_hosts: Vec<String>,
    /// Like `result_hosts`, but also over plain HTTP and at private addresses.
    #[serde(default)]
    pub trusted_hosts: Vec<String>,
    /// The optional parameters the server understands; no other is sent.
    #[serde(default = "Parameter::usual")]
    pub parameters: Vec<Parameter>,
    /// Whether to ask for base64 answers by `response_format`, which GPT image models refuse and others need.
    #[serde(default)]
    pub send_response_format: bool,
    /// Most images in one call; 1 when `n` is not among the parameters.
    #[serde(default = "usual_images_per_call")]
    pub images_per_call: u32,
    /// Whether a call costs money: its intent is noted before it is made.
    #[serde(default = "usually_paid")]
    pub paid: bool,
}

const fn usual_images_per_call() -> u32 {
    10
}

const fn usually_paid() -> bool {
    true
}

impl OpenAiConfig {
    /// Hosts that may be at private addresses: an API that the operator wrote as plain HTTP, and the trusted hosts.
    pub(crate) fn private_hosts(&self) -> Vec<String> {
        let own = self.base_url.host_str().filter(|_| self.base_url.scheme() == "http");
        let trusted = self.trusted_hosts.iter().map(|host| match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        });
        own.into_iter().chain(trusted).map(|host| host.trim_matches(['[', ']']).to_owned()).collect()
    }
}

/// A server that speaks the OpenAI Images API.
pub struct OpenAi {
    config: OpenAiConfig,
    endpoint: Url,
    client: Client,
    hosts: Arc<AllowedHosts>,
    limits: ResultsConfig,
    clock: Arc<dyn Clock>,
}

/// Most bytes of an answer that is not a success.
const MAX_COMPLAINT: u64 = 64 * 1024;

impl OpenAi {
    /// The account of `config`, over a guarded client that follows no redirects.
    #[must_use]
    pub fn new(config: OpenAiConfig, client: Client, limits: ResultsConfig, clock: Arc<dyn Clock>) -> Self {
        let mut endpoint = config.base_url.clone();
        endpoint.set_path(&format!("{}/images/generations", endpoint.path().trim_end_matches('/')));
        let hosts = Arc::new(AllowedHosts::of(&config));
        Self { config, endpoint, client, hosts, limits, clock }
    }

    async fn post(&self, call: &Call) -> Result<Response, CallError> {
        let body = request::body(&self.config, call)?;
        let mut request = self.client.post(self.endpoint.clone()).header("content-type", "application/json");
        if !self.config.api_key.expose_secret().is_empty() {
            request = request.bearer_auth(self.config.api_key.expose_secret());
        }
        let response = request.body(body).send().await.map_err(transport_error)?;
        if response.status().is_success() { Ok(response) } else { Err(self.complaint(response).await) }
    }

    async fn complaint(&self, response: Response) -> CallError {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, MAX_COMPLAINT).await.unwrap_or_default();
        complaint::classify(status, &headers, &body, self.clock.now())
    }

    /// Room for the images asked for in base64, and for the rest of the answer.
    fn answer_limit(&self, call: &Call) -> u64 {
        let images = self.limits.image_bytes.saturating_mul(call.count.into());
        (images / 3).saturating_mul(4).saturating_add(1024 * 1024).min(self.limits.answer_bytes)
    }

    fn image(&self, found: Result<Found, CallError>) -> Result<ProviderImage, CallError> {
        match found? {
            Found::File(bytes) => Ok(ProviderImage::from_bytes(bytes, None)),
            Found::Link(link) => {
                let url = self.hosts.check(&link)?;
                let body = stream::once(download::open(self.client.clone(), url));
                Ok(ProviderImage {
                    body: body.flat_map(|opened| opened.unwrap_or_else(download::broken)).boxed(),
                    seed: None,
                })
            }
        }
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn capabilities(&self) -> Capabilities {
        let several = self.config.parameters.contains(&Parameter::N);
        Capabilities {
            images_per_call: if several { self.config.images_per_call.max(1) } else { 1 },
            paid: self.config.paid,
            idempotent: false,
            look_up: false,
        }
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let response = self.post(call).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        tracing::debug!(request = complaint::request_id(&headers), "provider answers");
        let body = read(response, self.answer_limit(call)).await?;
        let parsing = tokio::task::spawn_blocking(move || (answer::parse(&body), body));
        let bad_answer = || CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown);
        let found = match parsing.await.map_err(|error| bad_answer().because(error))? {
            (Ok(Some(found)), _) => found,
            (Ok(None), body) => return Err(complaint::classify(status, &headers, &body, self.clock.now())),
            (Err(error), _) => return Err(bad_answer().because(error)),
        };
        let wanted = usize::try_from(call.count).unwrap_or(usize::MAX);
        let images: Vec<_> = found.into_iter().take(wanted).map(|found| self.image(found)).collect();
        Ok(Submission::Finished(Images::from(stream::iter(images).boxed())))
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
fn transport_error(error: reqwest::Error) -> CallError {
    let (reason, charged) = if error.is_connect() {
        (Reason::ProviderUnavailable, Charged::No)
    } else if error.is_timeout() {
        (Reason::ProviderTimeout, Charged::Unknown)
    } else {
        (Reason::ProviderUnavailable, Charged::Unknown)
    };
    CallError::retry(reason, charged).because(error.without_url())
}
