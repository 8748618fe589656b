//! The OpenAI Images API, and every server that speaks it (`POST …/images/generations`, `POST …/images/edits`).
//!
//! Synchronous: there is no task to resume and no call to look up, so a call whose answer was lost stays unknown.
//! Compatible servers differ in what they accept and return; only configured parameters are sent, and what arrives is
//! counted, not believed.

mod answer;
mod complaint;
mod events;
mod request;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::iter;
use imagioo_picture::{Operation, Settings};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::account::complaint::request_id;
use super::account::{Account, Answer, Kind};
use super::{Call, CallError, Capabilities, Charged, Heeds, Options, Provider, ProviderImage, Submission};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use answer::Found;
pub use request::Parameter;
use stream::MOST_DRAFTS;

/// OpenAI's own account, which others that speak its API depart from.
pub(crate) const KIND: Kind =
    Kind { base_url: "https://api.openai.com/v1", api_hosts: &[], result_hosts: &[], paid: true };

/// How a server that speaks the OpenAI Images API departs from OpenAI's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialect {
    /// The optional parameters the server understands; no other is sent, and a call that wishes for another fails.
    pub parameters: Vec<Parameter>,
    /// Whether to ask for base64 answers by `response_format`, which GPT image models refuse and others need.
    pub send_response_format: bool,
    /// Most images in one call; 1 when `n` is not among the parameters, and in streams.
    pub images_per_call: u32,
    /// Drafts that are asked for while an image is made, 0 to 3, unless the request has a wish of its own; the answer is a
    /// stream of events then.
    pub partial_images: u32,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            parameters: Parameter::usual(),
            send_response_format: false,
            images_per_call: 10,
            partial_images: 0,
        }
    }
}

impl Dialect {
    /// Drafts that are asked for in a call with these settings. A server that is not known to have any is asked for none.
    fn drafts(&self, settings: &Settings) -> u32 {
        let usual = self.partial_images.min(MOST_DRAFTS);
        let known = usual > 0 || self.has(Parameter::PartialImages);
        settings.previews.filter(|_| known).map_or(usual, |wished| wished.min(MOST_DRAFTS))
    }

    fn has(&self, parameter: Parameter) -> bool {
        self.parameters.contains(&parameter)
    }
}

/// What the API can do. Outpaint is an edit of a larger canvas whose new part is transparent.
const OPERATIONS: [Operation; 4] =
    [Operation::TextToImage, Operation::ImageToImage, Operation::Inpaint, Operation::Outpaint];

/// A server that speaks the OpenAI Images API.
pub struct OpenAi {
    dialect: Dialect,
    account: Account,
}

impl OpenAi {
    /// A server with such a dialect, reached through an account.
    #[must_use]
    pub fn new(dialect: Dialect, account: Account) -> Self {
        Self { dialect, account }
    }

    async fn post(&self, call: &Call) -> Result<Response, CallError> {
        let request = if call.operation == Operation::TextToImage {
            let body = request::json(&self.dialect, call)?;
            let url = self.account.url("images/generations");
            self.account.request(Method::POST, url).header("content-type", "application/json").body(body)
        } else {
            let form = request::form(&self.dialect, call).await?;
            self.account.request(Method::POST, self.account.url("images/edits")).multipart(form)
        };
        let response = self.account.send(self.authorized(request)).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.complaint(response).await) }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn complaint(&self, response: Response) -> CallError {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.account.read_talk(response).await.map(|answer| answer.body).unwrap_or_default();
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
        let several = self.dialect.has(Parameter::N);
        Capabilities {
            operations: &OPERATIONS,
            images_per_call: if several { self.dialect.images_per_call.max(1) } else { 1 },
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: None, needs: &[] }
    }

    fn images_per_call(&self, settings: &Settings, _options: &Options) -> u32 {
        if self.dialect.drafts(settings) > 0 { 1 } else { self.capabilities().images_per_call }
    }

    async fn check(&self) -> Result<(), CallError> {
        let request = self.account.request(Method::GET, self.account.url("models"));
        self.account.probe(self.authorized(request), &[200]).await
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { dialect: self.dialect.clone(), account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let response = self.post(call).await?;
        if stream::is_one(&response) {
            let file = stream::image(&self.account, call, progress, response).await?;
            let image = Ok(ProviderImage::from_bytes(file, None));
            return Ok(Submission::Finished(iter([image]).boxed()));
        }
        tracing::debug!(request = request_id(response.headers(), "x-request-id"), "provider answers");
        let Answer { status, headers, body } = self.account.read_images(response, call.count).await?;
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
        Ok(Submission::Finished(iter(images).boxed()))
    }
}
