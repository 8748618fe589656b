//! ComfyUI (`POST …/prompt` with a graph), a server that people run themselves.
//!
//! Contract: the server's own `server.py`. A graph can run code on that server, so it is never a user's: the operator
//! writes it, as a deployment's option `graph`, and names the places that a call fills (`template.rs`). The id of a call is
//! ours, so a call can be looked up. Calls cost nothing. Uploaded pictures stay on the server; it has no way to delete them.
//!
//! A graph that the server cannot run because a node, a model or the device is missing is the server's fault, and no request
//! brings that about. Everything else that goes wrong in a graph is the request's: values out of bounds, pictures that a
//! node cannot read, more pixels than there is memory for.

mod fault;
mod history;
mod template;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::account::complaint::{Complaint, by_status, word};
use super::account::{Account, Answer, Kind, poll, retry_after};
use super::{
    Call, CallError, Capabilities, Charged, Fate, Heeds, Images, Picture, Provider, ProviderImage,
    Submission, TaskId,
};
use crate::backoff::Backoff;
use crate::progress::{Progress, Stage};
use crate::reason::Reason;
use history::{End, File};

/// There is no usual address.
pub(crate) const KIND: Kind = Kind { base_url: "", api_hosts: &[], result_hosts: &[], paid: false };

/// Longest time between two questions after a call.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A ComfyUI server.
pub struct ComfyUi {
    account: Account,
}

#[derive(Deserialize)]
struct Queued {
    prompt_id: String,
    #[serde(default)]
    node_errors: Value,
}

#[derive(Deserialize)]
struct Uploaded {
    name: String,
    #[serde(default)]
    subfolder: String,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(default)]
    queue_running: Vec<Value>,
    #[serde(default)]
    queue_pending: Vec<Value>,
}

impl Queue {
    /// Calls that are in front of this one; nothing when it is not here.
    fn place(&self, id: &str) -> Option<usize> {
        let is = |entry: &Value| entry.get(1).and_then(Value::as_str) == Some(id);
        if self.queue_running.iter().any(is) {
            return Some(0);
        }
        self.queue_pending.iter().position(is).map(|place| place + 1)
    }
}

impl ComfyUi {
    /// A server, reached through an account; a key is for whatever guards it.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.account.request(method, self.account.url(path)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn talk(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let answer = self.account.talk(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.complaint(&answer)) }
    }

    fn complaint(&self, answer: &Answer) -> CallError {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let class = if fault::is_of_the_graph(&body) {
            fault::broken()
        } else {
            by_status(answer.status, retry_after(&answer.headers, self.account.now()))
        };
        class.because(Complaint {
            status: answer.status.as_u16(),
            kind: word(body.get("error").and_then(|error| error.get("type"))),
            ..Complaint::default()
        })
    }

    /// Uploads a picture; its name there.
    async fn upload(&self, picture: &Picture, name: String) -> Result<String, CallError> {
        let unusable =
            |error: reqwest::Error| CallError::failed(Reason::InputUnusable).because(error.without_url());
        let part = Part::stream_with_length(picture.file.clone(), picture.file.len() as u64)
            .file_name(format!("{name}.{}", picture.format.as_str()))
            .mime_str(picture.format.media_type())
            .map_err(unusable)?;
        let form = Form::new().text("subfolder", "imagioo").text("overwrite", "true").part("image", part);
        let answer = self.talk(self.request(Method::POST, "upload/image").multipart(form)).await?;
        let Uploaded { name, subfolder } = answer.parse()?;
        Ok(if subfolder.is_empty() { name } else { format!("{subfolder}/{name}") })
    }

    async fn queue(&self) -> Result<Queue, CallError> {
        self.talk(self.request(Method::GET, "queue")).await?.parse()
    }

    async fn history(&self, id: &str) -> Result<Option<End>, CallError> {
        let answer = self.talk(self.request(Method::GET, &format!("history/{id}"))).await?;
        Ok(history::end(&answer.parse()?, id))
    }

    /// How a call ended. The queue is asked first: what is in neither is nowhere.
    async fn ask(&self, id: &str, progress: &Progress) -> Result<Option<End>, CallError> {
        if let Some(place) = self.queue().await?.place(id) {
            progress.report(Stage::Generating, if place == 0 { 20 } else { 0 });
            return Ok(None);
        }
        Ok(Some(self.history(id).await?.unwrap_or(End::Forgotten)))
    }

    /// A file that was made. Tries again for a few seconds: making it took longer.
    async fn file(&self, file: &File) -> Result<Bytes, CallError> {
        let mut backoff = Backoff::short();
        loop {
            let error = match self.file_once(file).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            if !matches!(error.fate, Fate::Retry { .. }) || !backoff.wait().await {
                return Err(error);
            }
        }
    }

    async fn file_once(&self, file: &File) -> Result<Bytes, CallError> {
        let mut url = self.account.url("view");
        url.query_pairs_mut()
            .append_pair("filename", &file.filename)
            .append_pair("subfolder", &file.subfolder)
            .append_pair("type", &file.kind);
        let request = self.authorized(self.account.request(Method::GET, url));
        let response = self.account.send(request).await?;
        let answer = self.account.read_images(response, 1).await?;
        match answer.status.as_u16() {
            200 => Ok(answer.body),
            404 => Err(CallError::failed(Reason::ProviderBadImage)),
            _ => Err(self.complaint(&answer)),
        }
    }
}

#[async_trait]
impl Provider for ComfyUi {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &Operation::ALL,
            images_per_call: 1,
            paid: self.account.paid(),
            idempotent: false,
            look_up: true,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: Some(&[template::GRAPH]), needs: &[template::GRAPH] }
    }

    async fn check(&self) -> Result<(), CallError> {
        self.account.probe(self.request(Method::GET, "system_stats"), &[200]).await
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let id = call_id(call);
        let mut pictures = template::Pictures::default();
        for (place, reference) in call.references.iter().enumerate() {
            pictures.references.push(self.upload(reference, format!("{id}-{place}")).await?);
        }
        if let Some(mask) = &call.mask {
            pictures.mask = Some(self.upload(mask, format!("{id}-mask")).await?);
        }
        let graph = template::fill(call, &pictures)?;
        let body = json!({ "prompt": graph, "client_id": "imagioo", "prompt_id": id });
        let answer = self.talk(self.request(Method::POST, "prompt").json(&body)).await?;
        let queued: Queued = answer.parse()?;
        if queued.node_errors.as_object().is_some_and(|errors| !errors.is_empty()) {
            let failure = match fault::is_of_the_graph(&json!({ "node_errors": queued.node_errors })) {
                true => fault::broken(),
                false => CallError::failed(Reason::ProviderRejected),
            };
            return Err(failure.because("nodes of the graph have errors"));
        }
        Ok(Submission::Accepted(TaskId(queued.prompt_id)))
    }

    async fn resume(&self, _call: &Call, task: &TaskId, progress: &Progress) -> Result<Images, CallError> {
        let files = match poll(LONGEST_PAUSE, || self.ask(&task.0, progress)).await? {
            End::Done(files) => files,
            End::Failed => return Err(CallError::failed(Reason::ProviderRejected)),
            End::Broken => return Err(fault::broken()),
            End::Interrupted | End::Forgotten => {
                return Err(CallError::retry(Reason::ProviderUnavailable, Charged::No));
            }
        };
        let mut images = Vec::new();
        for file in &files {
            images.push(self.file(file).await.map(|file| ProviderImage::from_bytes(file, None)));
        }
        Ok(Box::pin(stream::iter(images)))
    }

    async fn look_up(&self, call: &Call) -> Result<Option<TaskId>, CallError> {
        let id = call_id(call);
        let known = self.queue().await?.place(&id).is_some() || self.history(&id).await?.is_some();
        Ok(known.then_some(TaskId(id)))
    }

    async fn cancel(&self, task: &TaskId) {
        let Ok(queue) = self.queue().await else { return };
        let request = match queue.place(&task.0) {
            None => return,
            Some(0) => self.request(Method::POST, "interrupt").json(&json!({ "prompt_id": task.0 })),
            Some(_) => self.request(Method::POST, "queue").json(&json!({ "delete": [task.0] })),
        };
        if let Err(error) = self.talk(request).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "ComfyUI was not told to stop");
        }
    }
}

/// The id under which the server knows a call: the same for the same call.
fn call_id(call: &Call) -> String {
    let digest: [u8; 32] = Sha256::digest(&call.key).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string()
}
