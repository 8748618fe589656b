//! Black Forest Labs (`POST …/v1/{model}`, then the polling address that the answer gives).
//!
//! Contract: docs.bfl.ai. A call is accepted with an id and a polling address, which is the task here. It cannot be
//! looked up by a key of ours, nor cancelled. One image per call; its link lives ten minutes.

mod request;
mod status;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde::Deserialize;

use super::account::{Account, Kind, poll};
use super::{Call, CallError, Capabilities, Images, Provider, Submission, TaskId};
use crate::progress::{Progress, Stage};

/// An account at Black Forest Labs. Tasks are asked after and results fetched below `bfl.ai`, whatever the region.
pub(crate) const KIND: Kind = Kind {
    base_url: "https://api.bfl.ai/v1",
    api_hosts: &["*.bfl.ai"],
    result_hosts: &["*.bfl.ai", "*.blob.core.windows.net"],
    paid: true,
};

/// What its models can do.
const OPERATIONS: [Operation; 4] =
    [Operation::TextToImage, Operation::ImageToImage, Operation::Inpaint, Operation::Outpaint];

/// Longest time between two questions after a task, as its documentation advises.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The API of Black Forest Labs.
pub struct BlackForestLabs {
    account: Account,
}

#[derive(Deserialize)]
struct Accepted {
    polling_url: String,
}

impl BlackForestLabs {
    /// The API, reached through an account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.header("x-key", key),
            None => request,
        }
    }

    /// How the task is getting on: its image, or none yet.
    async fn ask(&self, polling_url: &str, progress: &Progress) -> Result<Option<status::Sample>, CallError> {
        let request = self.account.request(Method::GET, self.account.given(polling_url)?);
        let answer = self.account.talk(self.authorized(request)).await?;
        status::read(&answer, |percent| progress.report(Stage::Generating, percent), self.account.now())
    }
}

#[async_trait]
impl Provider for BlackForestLabs {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &OPERATIONS,
            images_per_call: 1,
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    async fn check(&self) -> Result<(), CallError> {
        let request = self.account.request(Method::GET, self.account.url("credits"));
        self.account.probe(self.authorized(request), &[200]).await
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let path = if call.endpoint.is_empty() { &call.model } else { &call.endpoint };
        let request = self.account.request(Method::POST, self.account.url(path));
        let answer = self.account.talk(self.authorized(request).json(&request::body(call)?)).await?;
        if !answer.status.is_success() {
            return Err(status::complaint(&answer, self.account.now()));
        }
        let accepted: Accepted = answer.parse()?;
        Ok(Submission::Accepted(TaskId(accepted.polling_url)))
    }

    async fn resume(&self, _call: &Call, task: &TaskId, progress: &Progress) -> Result<Images, CallError> {
        let sample = poll(LONGEST_PAUSE, || self.ask(&task.0, progress)).await?;
        let image = self.account.fetch(&sample.link, sample.seed);
        Ok(Box::pin(stream::iter([image])))
    }
}
