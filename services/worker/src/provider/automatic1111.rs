//! AUTOMATIC1111 and Forge (`POST …/sdapi/v1/txt2img` and its siblings), servers that people run themselves.
//!
//! Contract: the server's own `modules/api` and `modules/progress.py`. One blocking call; a server makes one at a time, so
//! that is what it is asked for. Calls cost nothing and may be repeated. A call that is given up goes on there:
//! interrupting is for whatever runs, which may be somebody else's. So is what the server shows of its progress, drafts
//! included: only what it says of the call's own task is asked, and drafts never are. Pictures are sent as files, never as
//! addresses that the server would fetch.

mod request;

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::account::complaint::{Complaint, by_status, word};
use super::account::{Account, Answer, Kind, retry_after};
use super::{Call, CallError, Capabilities, Charged, Heeds, Provider, ProviderImage, Submission, encoded};
use crate::progress::{Progress, Stage};
use crate::reason::Reason;

/// There is no usual address.
pub(crate) const KIND: Kind = Kind { base_url: "", api_hosts: &[], result_hosts: &[], paid: false };

/// What it can do.
const OPERATIONS: [Operation; 6] = [
    Operation::TextToImage,
    Operation::ImageToImage,
    Operation::Inpaint,
    Operation::Outpaint,
    Operation::Upscale,
    Operation::Variation,
];

/// How often progress is asked for.
const LOOK: Duration = Duration::from_millis(500);

/// A server with the API of AUTOMATIC1111.
pub struct Automatic1111 {
    account: Account,
    /// Held while the server works. Who gives up waiting for it leaves nothing behind there.
    turn: Mutex<()>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    images: Vec<String>,
    /// Where an upscale answers.
    #[serde(default)]
    image: Option<String>,
    /// JSON in a text.
    #[serde(default)]
    info: String,
}

#[derive(Deserialize)]
struct State {
    /// Whether the server works on the task that was asked about.
    active: bool,
    #[serde(default)]
    progress: Option<f64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the answer holds no image")]
struct NoImage;

impl Automatic1111 {
    /// A server, reached through an account whose key is `user:password`.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account, turn: Mutex::default() }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key().and_then(|key| key.split_once(':')) {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    async fn make(&self, call: &Call) -> Result<ProviderImage, CallError> {
        let (path, body) = request::of(call).await?;
        let url = self.account.url(&format!("sdapi/v1/{path}"));
        let request = self.account.request(Method::POST, url).json(&body);
        let answer = self.account.read_images(self.account.send(self.authorized(request)).await?, 1).await?;
        if !answer.status.is_success() {
            return Err(self.complaint(&answer));
        }
        let made: Made = answer.parse()?;
        let info: Value = serde_json::from_str(&made.info).unwrap_or_default();
        let first = made.images.into_iter().next().or(made.image);
        let bad_answer = || CallError::retry(Reason::ProviderBadAnswer, Charged::Unknown).because(NoImage);
        let file = encoded::decode(&first.ok_or_else(bad_answer)?)?;
        Ok(ProviderImage::from_bytes(file, info.get("seed").and_then(Value::as_i64)))
    }

    fn complaint(&self, answer: &Answer) -> CallError {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        by_status(answer.status, retry_after(&answer.headers, self.account.now())).because(Complaint {
            status: answer.status.as_u16(),
            code: word(body.get("error")),
            ..Complaint::default()
        })
    }

    /// Reports how far the server is with the call, for as long as it is let. Servers that know no tasks say nothing.
    async fn watch(&self, call: &Call, progress: &Progress) -> Infallible {
        let question = json!({ "id_task": request::task(call), "live_preview": false });
        loop {
            sleep(LOOK).await;
            let url = self.account.url("internal/progress");
            let request = self.account.request(Method::POST, url).json(&question);
            let asked = self.account.talk(self.authorized(request)).await;
            // Whatever is wrong here, the call itself will tell.
            let state =
                asked.ok().and_then(|answer| answer.parse::<State>().ok()).filter(|state| state.active);
            if let Some(share) = state.and_then(|state| state.progress) {
                progress.report(Stage::Generating, (share.clamp(0.0, 1.0) * 100.0) as u32);
            }
        }
    }
}

#[async_trait]
impl Provider for Automatic1111 {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &OPERATIONS,
            images_per_call: 1,
            paid: self.account.paid(),
            idempotent: !self.account.paid(),
            look_up: false,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: None, needs: &[] }
    }

    async fn check(&self) -> Result<(), CallError> {
        let request = self.account.request(Method::GET, self.account.url("sdapi/v1/sd-models"));
        self.account.probe(self.authorized(request), &[200]).await
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let _turn = self.turn.lock().await;
        let image = tokio::select! {
            made = self.make(call) => made?,
            never = self.watch(call, progress) => match never {},
        };
        Ok(Submission::Finished(Box::pin(stream::iter([Ok(image)]))))
    }
}
