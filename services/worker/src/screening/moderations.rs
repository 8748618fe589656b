//! An endpoint like OpenAI's: `POST {base}/moderations` with one image.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use imagioo_picture::Verified;
use imagioo_runtime::http::{self, HttpConfig, HttpError, hosts_trusted_with, retry_after};
use imagioo_types::{Clock, tame};
use reqwest::{Client, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::config::ModerationsConfig;
use super::reduced::{self, Irreducible};

/// Most bytes of an answer.
const MAX_ANSWER: usize = 256 * 1024;
/// Most categories that are passed on.
const MAX_CATEGORIES: usize = 20;

/// The endpoint of a configuration.
pub(super) struct Moderations {
    client: Client,
    url: Url,
    config: ModerationsConfig,
    clock: Arc<dyn Clock>,
}

/// What it says of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allow { id: String },
    Block { categories: Vec<String> },
}

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Trouble {
    what: &'static str,
    /// Whether the same question will end the same way.
    pub(super) lasting: bool,
    /// How long it wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    #[source]
    source: Option<reqwest::Error>,
}

impl Trouble {
    const fn passing(what: &'static str) -> Self {
        Self { what, lasting: false, retry_after: None, source: None }
    }
}

/// Only what decides; whatever else is there may change.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    id: String,
    results: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    flagged: bool,
    #[serde(default)]
    categories: Value,
}

impl Moderations {
    /// # Errors
    /// [`HttpError`] when no client can be made.
    pub(super) fn open(config: &ModerationsConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        let client = http::client(&HttpConfig {
            trusted_hosts: hosts_trusted_with(&config.base_url, &config.trusted_hosts),
            connect_timeout_seconds: config.timeout_seconds.min(5),
            read_timeout_seconds: config.timeout_seconds,
            total_timeout_seconds: config.timeout_seconds,
        })?;
        let mut url = config.base_url.clone();
        url.set_path(&format!("{}/moderations", url.path().trim_end_matches('/')));
        Ok(Self { client, url, config: config.clone(), clock })
    }

    /// What is sent about an image, however often. A file that is too long is sent as a smaller copy.
    ///
    /// # Errors
    /// [`Irreducible`] when there is no copy.
    pub(super) async fn question(&self, file: &Bytes, image: &Verified) -> Result<Bytes, Irreducible> {
        let (file, media_type) = if file.len() as u64 > self.config.image_bytes {
            (reduced::copy(file.clone()).await?, "image/jpeg")
        } else {
            (file.clone(), image.format.media_type())
        };
        let url = format!("data:{media_type};base64,{}", STANDARD.encode(&file));
        let input = json!([{ "type": "image_url", "image_url": { "url": url } }]);
        Ok(json!({ "model": self.config.model, "input": input }).to_string().into())
    }

    /// # Errors
    /// [`Trouble`], which says nothing of the image.
    pub(super) async fn ask(&self, question: Bytes) -> Result<Answer, Trouble> {
        let mut request =
            self.client.post(self.url.clone()).header("content-type", "application/json").body(question);
        let key = self.config.api_key.expose_secret();
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.map_err(not_reached)?;
        self.check_status(&response)?;
        answer(&read(response).await?)
    }

    fn check_status(&self, response: &Response) -> Result<(), Trouble> {
        let status = response.status().as_u16();
        let what = match status {
            200..=299 => return Ok(()),
            400 | 413 | 415 | 422 => "the moderation endpoint does not take the image",
            401 | 403 => "the moderation endpoint refuses the platform's key",
            429 => "the moderation endpoint is asked too often",
            500.. => "the moderation endpoint has a fault",
            _ => "the moderation endpoint does not take the question",
        };
        Err(Trouble {
            lasting: matches!(status, 400 | 413 | 415 | 422),
            retry_after: retry_after(response.headers(), self.clock.now()),
            ..Trouble::passing(what)
        })
    }
}

fn answer(body: &[u8]) -> Result<Answer, Trouble> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|_| Trouble::passing("the moderation endpoint gave an answer that cannot be read"))?;
    if body.results.is_empty() {
        return Err(Trouble::passing("the moderation endpoint gave no result"));
    }
    let flagged: Vec<_> = body.results.iter().filter(|judged| judged.flagged).collect();
    if flagged.is_empty() {
        return Ok(Answer::Allow { id: tame(&body.id) });
    }
    let named = flagged.iter().filter_map(|judged| judged.categories.as_object()).flatten();
    let meant = named.filter(|(_, value)| **value == Value::Bool(true)).map(|(name, _)| tame(name));
    Ok(Answer::Block { categories: meant.filter(|name| !name.is_empty()).take(MAX_CATEGORIES).collect() })
}

async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(not_reached)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Trouble::passing("the answer of the moderation endpoint is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn not_reached(error: reqwest::Error) -> Trouble {
    let what = if error.is_timeout() {
        "the moderation endpoint did not answer in time"
    } else {
        "the moderation endpoint was not reached"
    };
    Trouble { source: Some(error.without_url()), ..Trouble::passing(what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_passes_when_every_result_says_so_and_none_is_missing() {
        let read = |body: &str| answer(body.as_bytes()).ok();
        let id = |id: &str| Some(Answer::Allow { id: id.to_owned() });
        assert_eq!(read(r#"{"id":"modr-1","model":"m","results":[{"flagged":false}]}"#), id("modr-1"));
        assert_eq!(read(r#"{"results":[{"flagged":false,"categories":null}]}"#), id(""));
        for body in [
            r#"{"id":"modr-1","results":[]}"#,
            r#"{"id":"modr-1","results":[{}]}"#,
            r#"{"id":"modr-1","results":[{"flagged":"false"}]}"#,
            r#"{"id":"modr-1","results":[{"flagged":null}]}"#,
            r#"{"id":"modr-1"}"#,
            r#"{"error":{"message":"no"}}"#,
            "",
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn one_flagged_result_blocks_and_its_categories_are_told() {
        let body = r#"{"id":"modr-1","results":[{"flagged":false,"categories":{"hate":true}},
            {"flagged":true,"categories":{"violence":true,"sexual/minors":false,"self-harm":true,"x\r\ny":true}}]}"#;
        let Ok(Answer::Block { categories }) = answer(body.as_bytes()) else { panic!("not blocked") };
        assert_eq!(categories, ["self-harm", "violence", "x"]);
    }
}
