//! Stability AI (`POST …/v2beta/stable-image/…`, forms only).
//!
//! Contract: platform.stability.ai/docs/api-reference. One image per call. Most calls are synchronous; the creative
//! upscale answers with an id, which is the task here. There is no look-up by a key of ours and no cancellation. A
//! filtered image comes under status 200.

mod answer;
mod request;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;

use super::account::{Account, Kind, poll};
use super::{Call, CallError, Capabilities, Images, Provider, ProviderImage, Submission, TaskId};
use crate::progress::{Progress, Stage};
use answer::Outcome;

/// Stability's own account.
pub(crate) const KIND: Kind =
    Kind { base_url: "https://api.stability.ai/v2beta", api_hosts: &[], result_hosts: &[], paid: true };

/// What its endpoints can do.
const OPERATIONS: [Operation; 6] = [
    Operation::TextToImage,
    Operation::ImageToImage,
    Operation::Inpaint,
    Operation::Outpaint,
    Operation::Upscale,
    Operation::RemoveBackground,
];

/// Longest time between two questions after a task: it asks for no more than one in ten seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Stability's API.
pub struct Stability {
    account: Account,
}

impl Stability {
    /// The API, reached through an account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("accept", "application/json");
        match self.account.key() {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn outcome(&self, request: RequestBuilder) -> Result<Outcome, CallError> {
        let response = self.account.send(self.authorized(request)).await?;
        answer::read(&self.account.read_images(response, 1).await?, self.account.now())
    }

    async fn ask(&self, id: &str) -> Result<Option<ProviderImage>, CallError> {
        let url = self.account.url(&format!("results/{id}"));
        match self.outcome(self.account.request(Method::GET, url)).await? {
            Outcome::Image(file, seed) => Ok(Some(ProviderImage::from_bytes(file, seed))),
            Outcome::Working | Outcome::Accepted(_) => Ok(None),
        }
    }
}

#[async_trait]
impl Provider for Stability {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &OPERATIONS,
            images_per_call: 1,
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    /// The balance is asked for in the first version of the API, which is where it stayed.
    async fn check(&self) -> Result<(), CallError> {
        let mut url = self.account.url("");
        url.set_path("/v1/user/balance");
        self.account.probe(self.authorized(self.account.request(Method::GET, url)), &[200]).await
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let url = self.account.url(request::path(call));
        let request = self.account.request(Method::POST, url).multipart(request::form(call)?);
        match self.outcome(request).await? {
            Outcome::Image(file, seed) => {
                let image = ProviderImage::from_bytes(file, seed);
                Ok(Submission::Finished(Box::pin(stream::iter([Ok(image)]))))
            }
            Outcome::Accepted(id) => Ok(Submission::Accepted(TaskId(id))),
            Outcome::Working => Err(answer::nonsense()),
        }
    }

    async fn resume(&self, _call: &Call, task: &TaskId, _progress: &Progress) -> Result<Images, CallError> {
        let image = poll(LONGEST_PAUSE, || self.ask(&task.0)).await?;
        Ok(Box::pin(stream::iter([Ok(image)])))
    }
}
