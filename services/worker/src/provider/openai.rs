//! The OpenAI Images API, and every server that speaks it (`POST …/images/generations`, `POST …/images/edits`).
//!
//! Synchronous: there is no task to resume and no call to look up, so a call whose answer was lost stays unknown.
//! Compatible servers differ in what they accept and return; only configured parameters are sent, and what arrives is
//! counted, not believed.

mod answer;
mod complaint;
mod request;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::account::{Account, AccountConfig};
use super::{Call, CallError, Capabilities, Charged, Images, Provider, ProviderImage, Submission};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use answer::Found;
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
    /// Hosts (`host`, `host:port` or `*.domain`) besides the server's own from which results may be fetched over HTTPS.
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
    /// What it has in common with every account over HTTP.
    pub(crate) fn account(&self) -> AccountConfig {
        AccountConfig {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            result_hosts: self.result_hosts.clone(),
            trusted_hosts: self.trusted_hosts.clone(),
            paid: self.paid,
        }
    }
}

/// What the API can do. Outpaint is an edit of a larger canvas whose new part is transparent.
const OPERATIONS: [Operation; 4] =
    [Operation::TextToImage, Operation::ImageToImage, Operation::Inpaint, Operation::Outpaint];

/// A server that speaks the OpenAI Images API.
pub struct OpenAi {
    config: OpenAiConfig,
    account: Account,
}

impl OpenAi {
    /// The server of `config`, reached through its account.
    #[must_use]
    pub fn new(config: OpenAiConfig, account: Account) -> Self {
        Self { config, account }
    }

    async fn post(&self, call: &Call) -> Result<Response, CallError> {
        let request = if call.operation == Operation::TextToImage {
            let body = request::json(&self.config, call)?;
            let url = self.account.url("images/generations");
            self.account.request(Method::POST, url).header("content-type", "application/json").body(body)
        } else {
            let form = request::form(&self.config, call).await?;
            self.account.request(Method::POST, self.account.url("images/edits")).multipart(form)
        };
        let key = self.config.api_key.expose_secret();
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        let response = self.account.send(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.complaint(response).await) }
    }

    async fn complaint(&self, response: Response) -> CallError {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.account.read_talk(response).await.unwrap_or_default();
        complaint::classify(status, &headers, &body, self.account.now())
    }

    fn image(&self, found: Result<Found, CallError>) -> Result<ProviderImage, CallError> {
        match found? {
            Found::File(bytes) => Ok(ProviderImage::from_bytes(bytes, None)),
            Found::Link(link) => self.account.fetch(&link, None),
        }
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn capabilities(&self) -> Capabilities {
        let several = self.config.parameters.contains(&Parameter::N);
        Capabilities {
            operations: &OPERATIONS,
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
        let body = self.account.read_images(response, call.count).await?;
        let parsing = tokio::task::spawn_blocking(move || (answer::parse(&body), body));
        let bad_answer = || CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown);
        let found = match parsing.await.map_err(|error| bad_answer().because(error))? {
            (Ok(Some(found)), _) => found,
            (Ok(None), body) => {
                return Err(complaint::classify(status, &headers, &body, self.account.now()));
            }
            (Err(error), _) => return Err(bad_answer().because(error)),
        };
        let wanted = usize::try_from(call.count).unwrap_or(usize::MAX);
        let images: Vec<_> = found.into_iter().take(wanted).map(|found| self.image(found)).collect();
        Ok(Submission::Finished(Images::from(stream::iter(images).boxed())))
    }
}
