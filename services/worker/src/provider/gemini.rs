//! Google Gemini image models (`POST …/v1beta/models/{model}:generateContent`).
//!
//! Contract: ai.google.dev/gemini-api/docs, and the types of googleapis/python-genai. Synchronous, one image per call, no
//! task, no look-up. Refusals come under status 200, and so do answers that hold words instead of an image.

mod answer;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use imagioo_picture::Operation;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::account::{Account, Kind};
use super::{Call, CallError, Capabilities, Heeds, Picture, Provider, ProviderImage, Submission, encoded};
use crate::progress::{Progress, Stage};

/// Google's own account.
pub(crate) const KIND: Kind = Kind {
    base_url: "https://generativelanguage.googleapis.com/v1beta",
    api_hosts: &[],
    result_hosts: &[],
    paid: true,
};

/// What its models can do: there is no mask, and pictures are changed by words.
const OPERATIONS: [Operation; 3] = [Operation::TextToImage, Operation::ImageToImage, Operation::Variation];

/// What is asked of a picture without a prompt.
const VARIATION: &str = "Make a variation of this picture.";

/// The Gemini API.
pub struct Gemini {
    account: Account,
}

impl Gemini {
    /// The API, reached through an account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.account.key() {
            Some(key) => request.header("x-goog-api-key", key),
            None => request,
        }
    }
}

#[async_trait]
impl Provider for Gemini {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            operations: &OPERATIONS,
            images_per_call: 1,
            paid: self.account.paid(),
            idempotent: false,
            look_up: false,
        }
    }

    fn heeds(&self) -> Heeds {
        Heeds { endpoint: false, options: None, needs: &[] }
    }

    async fn check(&self) -> Result<(), CallError> {
        let request = self.account.request(Method::GET, self.account.url("models"));
        self.account.probe(self.authorized(request), &[200]).await
    }

    fn with_key(&self, key: &SecretString) -> Option<Arc<dyn Provider>> {
        Some(Arc::new(Self { account: self.account.with_key(key) }))
    }

    async fn submit(&self, call: &Call, progress: &Progress) -> Result<Submission, CallError> {
        progress.report(Stage::Generating, 0);
        let url = self.account.url(&format!("models/{}:generateContent", call.model));
        let request = self.account.request(Method::POST, url).json(&body(call)?);
        let response = self.account.send(self.authorized(request)).await?;
        let answer = self.account.read_images(response, call.count).await?;
        if !answer.status.is_success() {
            return Err(answer::complaint(&answer, self.account.now()));
        }
        let files = answer::files(&answer, self.account.now())?;
        let image = |file: Result<_, _>| file.map(|file| ProviderImage::from_bytes(file, None));
        let images: Vec<_> = files.into_iter().map(image).collect();
        Ok(Submission::Finished(Box::pin(stream::iter(images))))
    }
}

/// The body of a request: pictures first, then the words. `options` of the deployment become part of
/// `generationConfig`. The format is Google's choice.
///
/// # Errors
/// [`Reason::SettingUnsupported`](crate::reason::Reason) when a wish has no field.
fn body(call: &Call) -> Result<Value, CallError> {
    call.wishes_only(|wish| ["aspect_ratio", "resolution", "seed"].contains(&wish))?;
    let inline = |picture: &Picture| json!({ "inlineData": { "mimeType": picture.format.media_type(), "data": encoded::base64(picture) } });
    let words = match call.prompt.wording().prompt_text() {
        "" => VARIATION,
        text => text,
    };
    let parts: Vec<_> = call.references.iter().map(inline).chain([json!({ "text": words })]).collect();
    let settings = &call.settings;
    let shape = [("aspectRatio", &settings.aspect_ratio), ("imageSize", &settings.resolution)];
    let shape: Map<_, _> = shape
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
        .collect();
    let mut config = Map::new();
    config.insert("responseModalities".to_owned(), json!(["IMAGE"]));
    if !shape.is_empty() {
        config.insert("imageConfig".to_owned(), shape.into());
    }
    if let Some(seed) = settings.seed {
        config.insert("seed".to_owned(), seed.into());
    }
    config.extend(call.options.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(json!({ "contents": [{ "role": "user", "parts": parts }], "generationConfig": config }))
}
