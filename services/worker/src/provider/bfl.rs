//! Black Forest Labs (`POST …/v1/{model}`, then the polling address that the answer gives).
//!
//! Contract: docs.bfl.ai. A call is accepted with an id and a polling address, which is the task here. It cannot be
//! looked up by a key of ours, nor cancelled. One image per call; its link lives ten minutes.

mod request;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde::Deserialize;

use super::account::{Account, Kind, poll};
use super::{Call, CallError, Capabilities, Charged, Images, Provider, Submission, TaskId};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use status::State;

/// An account at Black Forest Labs. Tasks are asked after and results fetched below `bfl.ai`, whatever the region; an
/// operator whose results come from elsewhere lists that host.
pub(crate) const KIND: Kind = Kind {
    base_url: "https://api.bfl.ai/v1",
    api_hosts: &["*.bfl.ai"],
    result_hosts: &["*.bfl.ai"],
    paid: true,
};

/// What its models can do.
const OPERATIONS: [Operation; 4] =
    [Operation::TextToImage, Operation::ImageToImage, Operation::Inpaint, Operation::Outpaint];

/// Longest time between two questions after a task, as its documentation advises.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often in a row a task may be unknown. For a moment after its acceptance it is not known everywhere.
const UNKNOWN: u32 = 5;

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

    /// How the task ended: with an image, or unknown so often that it stays that. `unknown` counts in a row.
    async fn ask(
        &self,
        polling_url: &str,
        unknown: &AtomicU32,
        progress: &Progress,
    ) -> Result<Option<State>, CallError> {
        let request = self.account.request(Method::GET, self.account.given(polling_url)?);
        let answer = self.account.talk(self.authorized(request)).await?;
        let tell = |percent| progress.report(Stage::Generating, percent);
        let state = status::read(&answer, tell, self.account.now())?;
        let is_over = match &state {
            State::Ready(_) => true,
            State::Unknown => unknown.fetch_add(1, Ordering::Relaxed) + 1 >= UNKNOWN,
            State::Working => {
                unknown.store(0, Ordering::Relaxed);
                false
            }
        };
        Ok(is_over.then_some(state))
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
        let complaint = |error: CallError| error.or_graver(status::complaint(&answer, self.account.now()));
        let accepted: Accepted = answer.parse().map_err(complaint)?;
        Ok(Submission::Accepted(TaskId(accepted.polling_url)))
    }

    async fn resume(&self, _call: &Call, task: &TaskId, progress: &Progress) -> Result<Images, CallError> {
        let unknown = AtomicU32::new(0);
        let State::Ready(sample) = poll(LONGEST_PAUSE, || self.ask(&task.0, &unknown, progress)).await?
        else {
            return Err(CallError::retry(Reason::ProviderOutcomeUnknown, Charged::Unknown));
        };
        let image = self.account.fetch(&sample.link, sample.seed);
        Ok(Box::pin(stream::iter([image])))
    }
}
