//! Replicate (`POST …/v1/models/{owner}/{name}/predictions` or `…/v1/predictions`, then the addresses in the answer).
//!
//! Contract: replicate.com/docs, pages on predictions and files. A prediction is accepted with addresses to ask after it
//! and to cancel it; the first is the task here. Everything it made is gone after an hour. There is no look-up by a key of
//! ours.

mod prediction;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use imagioo_picture::{Operation, Settings};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, Kind, poll};
use super::fields::{self, Pictures};
use super::{
    Call, CallError, Capabilities, Heeds, Images, Options, Picture, Provider, Submission, TaskId, encoded,
    output,
};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use prediction::Prediction;

/// Replicate's own account.
pub(crate) const KIND: Kind = Kind {
    base_url: "https://api.replicate.com/v1",
    api_hosts: &[],
    result_hosts: &["replicate.delivery", "*.replicate.delivery"],
    paid: true,
};

/// What fields are called in most of its image models.
const USUAL: [(&str, &str); 14] = [
    ("prompt", "prompt"),
    ("negative_prompt", "negative_prompt"),
    ("count", "num_outputs"),
    ("width", "width"),
    ("height", "height"),
    ("aspect_ratio", "aspect_ratio"),
    ("format", "output_format"),
    ("seed", "seed"),
    ("guidance", "guidance"),
    ("steps", "num_inference_steps"),
    ("strength", "prompt_strength"),
    ("upscale_factor", "scale"),
    ("reference", "image"),
    ("mask", "mask"),
];

/// Largest file that is sent inside the request; others are uploaded first.
const INLINE: usize = 256 * 1024;

/// Longest time between two questions after a prediction.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Most images one call is asked for.
const IMAGES_PER_CALL: u32 = 4;

/// Replicate's API.
pub struct Replicate {
    account: Account,
}

#[derive(Deserialize)]
struct Uploaded {
    urls: Urls,
}

#[derive(Deserialize)]
struct Urls {
    get: String,
}

impl Replicate {
    /// The API, reached through an account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// A picture as the API takes it.
    async fn picture(&self, picture: &Picture, name: &str) -> Result<String, CallError> {
        if picture.file.len() <= INLINE {
            return Ok(encoded::data_uri(picture));
        }
        let unusable =
            |error: reqwest::Error| CallError::failed(Reason::InputUnusable).because(error.without_url());
        let part = Part::stream_with_length(picture.file.clone(), picture.file.len() as u64)
            .file_name(format!("{name}.{}", picture.format.as_str()))
            .mime_str(picture.format.media_type())
            .map_err(unusable)?;
        let request = self.account.request(Method::POST, self.account.url("files"));
        let request = self.authorized(request).multipart(Form::new().part("content", part));
        let answer = self.account.talk(request).await?;
        if !answer.status.is_success() {
            return Err(prediction::complaint(&answer, self.account.now()));
        }
        Ok(answer.parse::<Uploaded>()?.urls.get)
    }

    /// The pictures of a call. Nothing is predicted yet, so nothing that fails here was charged.
    async fn pictures(&self, call: &Call) -> Result<Pictures, CallError> {
        self.uploads(call).await.map_err(CallError::before_the_call)
    }

    async fn uploads(&self, call: &Call) -> Result<Pictures, CallError> {
        let mut pictures = Pictures::default();
        for (place, reference) in call.references.iter().enumerate() {
            pictures.references.push(self.picture(reference, &format!("reference-{place}")).await?);
        }
        if let Some(mask) = &call.mask {
            pictures.mask = Some(self.picture(mask, "mask").await?);
        }
        Ok(pictures)
    }

    async fn ask(&self, link: &str, progress: &Progress) -> Result<Option<Prediction>, CallError> {
        let request = self.account.request(Method::GET, self.account.given(link)?);
        let answer = self.account.talk(self.authorized(request)).await?;
        if !answer.status.is_success() {
            return Err(prediction::complaint(&answer, self.account.now()));
        }
        let prediction: Prediction = answer.parse()?;
        let is_over = prediction.is_over(|percent| progress.report(Stage::Generating, percent));
        Ok(is_over.then_some(prediction))
    }
}

#[async_trait]
impl Provider for Replicate {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &Operation::ALL,
            images_per_call: IMAGES_PER_CALL,
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: None, needs: &[] }
    }

    fn images_per_call(&self, _settings: &Settings, options: &Options) -> u32 {
        fields::images_per_call(options, &USUAL, IMAGES_PER_CALL)
    }

    async fn check(&self) -> Result<(), CallError> {
        let request = self.account.request(Method::GET, self.account.url("account"));
        self.account.probe(self.authorized(request), &[200]).await
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let input = fields::input(call, &USUAL, &self.pictures(call).await?)?;
        // `owner/name` is the latest version of an official model; `owner/name:sha` and a bare sha name a version.
        let official = call.model.contains('/') && !call.model.contains(':');
        let (path, body) = if official {
            (format!("models/{}/predictions", call.model), json!({ "input": input }))
        } else {
            ("predictions".to_owned(), json!({ "version": call.model, "input": input }))
        };
        let request = self.account.request(Method::POST, self.account.url(&path)).json(&body);
        let answer = self.account.talk(self.authorized(request)).await?;
        if !answer.status.is_success() {
            return Err(prediction::complaint(&answer, self.account.now()));
        }
        Ok(Submission::Accepted(TaskId(answer.parse::<Prediction>()?.urls.get)))
    }

    async fn resume(&self, _call: &Call, task: &TaskId, progress: &Progress) -> Result<Images, CallError> {
        let done = poll(LONGEST_PAUSE, || self.ask(&task.0, progress)).await?;
        output::images(&self.account, &done.into_output()?, None)
    }

    async fn cancel(&self, task: &TaskId) {
        let Ok(url) = self.account.given(&format!("{}/cancel", task.0)) else { return };
        let request = self.authorized(self.account.request(Method::POST, url));
        if let Err(error) = self.account.talk(request).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Replicate was not told to stop");
        }
    }
}
