//! fal (`POST https://queue.fal.run/{endpoint}`, then the addresses that the answer gives).
//!
//! Contract: fal.ai/docs, pages on the queue and on errors. A call is accepted with addresses for its status, its result
//! and its cancellation; together they are the task here. COMPLETED does not mean that it worked: the result says. There
//! is no look-up by a key of ours.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use imagioo_picture::{Operation, Settings};
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Account, Answer, Kind, poll};
use super::fields::{self, Pictures};
use super::{Call, CallError, Capabilities, Fate, Images, Options, Provider, Submission, TaskId, encoded};
use crate::backoff::Backoff;
use crate::progress::{Progress, Stage};
use crate::reason::Reason;

/// fal's own account.
pub(crate) const KIND: Kind = Kind {
    base_url: "https://queue.fal.run",
    api_hosts: &[],
    result_hosts: &["*.fal.media", "fal.media"],
    paid: true,
};

/// What fields are called in most of its models.
const USUAL: [(&str, &str); 15] = [
    ("prompt", "prompt"),
    ("negative_prompt", "negative_prompt"),
    ("count", "num_images"),
    ("size", "image_size"),
    ("aspect_ratio", "aspect_ratio"),
    ("resolution", "resolution"),
    ("quality", "quality"),
    ("format", "output_format"),
    ("seed", "seed"),
    ("guidance", "guidance_scale"),
    ("steps", "num_inference_steps"),
    ("strength", "strength"),
    ("upscale_factor", "upscale_factor"),
    ("reference", "image_url"),
    ("mask", "mask_url"),
];

/// Longest time between two questions after a task.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Most images one call is asked for.
const IMAGES_PER_CALL: u32 = 4;

/// How long fal keeps what it made, in seconds: it is copied at once.
const LIFETIME: &str = r#"{"expiration_duration_seconds":3600}"#;

/// A request that nobody ever made.
const NEVER: &str = "fal-ai/flux/requests/00000000-0000-4000-8000-000000000000/status";

/// An answer to nobody in particular.
#[derive(Debug, thiserror::Error)]
#[error("a call without a key is answered with status {status}")]
struct KeyIgnored {
    status: u16,
}

/// fal's queue.
pub struct Fal {
    account: Account,
}

/// Where an accepted call is asked after, fetched and cancelled.
#[derive(Debug, Deserialize, Serialize)]
struct Task {
    status_url: String,
    response_url: String,
    cancel_url: String,
}

impl Fal {
    /// fal's queue, reached through an account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.header("authorization", format!("Key {key}")),
            None => request,
        }
    }

    fn to(&self, method: Method, link: &str) -> Result<RequestBuilder, CallError> {
        Ok(self.authorized(self.account.request(method, self.account.given(link)?)))
    }

    /// Whether the task is done.
    async fn ask(&self, task: &Task, progress: &Progress) -> Result<Option<()>, CallError> {
        let answer = self.account.talk(self.to(Method::GET, &task.status_url)?).await?;
        if !answer.status.is_success() {
            return Err(answer::complaint(&answer, self.account.now()));
        }
        answer::is_done(&answer, |percent| progress.report(Stage::Generating, percent))
    }

    /// The result of a task that is done. Errors that are fal's own stay: they are asked after for seconds only.
    async fn result(&self, call: &Call, task: &Task) -> Result<Answer, CallError> {
        let mut backoff = Backoff::short();
        loop {
            let error = match self.result_once(call, task).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !matches!(error.fate, Fate::Retry { .. }) || !backoff.wait().await {
                return Err(error);
            }
        }
    }

    async fn result_once(&self, call: &Call, task: &Task) -> Result<Answer, CallError> {
        let response = self.account.send(self.to(Method::GET, &task.response_url)?).await?;
        let answer = self.account.read_images(response, call.count).await?;
        if !answer.status.is_success() {
            return Err(answer::complaint(&answer, self.account.now()));
        }
        Ok(answer)
    }
}

#[async_trait]
impl Provider for Fal {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &Operation::ALL,
            images_per_call: IMAGES_PER_CALL,
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    fn images_per_call(&self, _settings: &Settings, options: &Options) -> u32 {
        fields::images_per_call(options, &USUAL, IMAGES_PER_CALL)
    }

    /// A request that never was: whoever shows a key is told so in fal's words, and nobody else is told anything. A server
    /// that answers both alike has not looked at the key.
    async fn check(&self) -> Result<(), CallError> {
        let ask = || self.account.request(Method::GET, self.account.url(NEVER));
        let answer = self.account.talk(self.authorized(ask())).await?;
        if !answer::is_of_fal(&answer) {
            return Err(answer::complaint(&answer, self.account.now()));
        }
        if self.account.key().is_none() {
            return Ok(());
        }
        let status = self.account.talk(ask()).await?.status.as_u16();
        match status {
            401 | 403 => Ok(()),
            _ => Err(CallError::failed(Reason::ProviderBadAnswer).because(KeyIgnored { status })),
        }
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let pictures = Pictures {
            references: call.references.iter().map(encoded::data_uri).collect(),
            mask: call.mask.as_ref().map(encoded::data_uri),
        };
        let input = fields::input(call, &USUAL, &pictures)?;
        let path = if call.endpoint.is_empty() { &call.model } else { &call.endpoint };
        let request = self
            .authorized(self.account.request(Method::POST, self.account.url(path)))
            .header("x-fal-store-io", "0")
            .header("x-fal-object-lifecycle-preference", LIFETIME)
            .json(&input);
        let answer = self.account.talk(request).await?;
        if !answer.status.is_success() {
            return Err(answer::complaint(&answer, self.account.now()));
        }
        let complaint = |error: CallError| error.or_graver(answer::complaint(&answer, self.account.now()));
        let task: Task = answer.parse().map_err(complaint)?;
        let task = serde_json::to_string(&task)
            .map_err(|error| CallError::failed(Reason::ProviderBadAnswer).because(error))?;
        Ok(Submission::Accepted(TaskId(task)))
    }

    async fn resume(&self, call: &Call, task: &TaskId, progress: &Progress) -> Result<Images, CallError> {
        let task: Task = serde_json::from_str(&task.0)
            .map_err(|error| CallError::failed(Reason::ProviderOutcomeUnknown).because(error))?;
        poll(LONGEST_PAUSE, || self.ask(&task, progress)).await?;
        answer::images(&self.account, &self.result(call, &task).await?.parse::<Value>()?)
    }

    async fn cancel(&self, task: &TaskId) {
        let Ok(task) = serde_json::from_str::<Task>(&task.0) else { return };
        let Ok(request) = self.to(Method::PUT, &task.cancel_url) else { return };
        if let Err(error) = self.account.talk(request).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "fal was not told to stop");
        }
    }
}
