//! A moderation endpoint: `POST {base}/v1/moderation/prompt`, as Creem defines it and anybody can serve.
//!
//! Every text is asked about by itself. What is not a clear `allow` within the time is none; there is no second try here,
//! because the caller waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use imagioo_runtime::http::{self, HttpConfig, HttpError, hosts_trusted_with, retry_after};
use imagioo_types::{Clock, GenerationId, Wording, tame};
use reqwest::{Client, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::config::EndpointConfig;
use super::verdict::{Block, Severity, Trouble, Verdict, texts};

/// Most bytes of an answer, which repeats the prompt.
const MAX_ANSWER: usize = 512 * 1024;
/// Most categories that are passed on.
const MAX_CATEGORIES: usize = 20;

/// The endpoint of a configuration.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    config: EndpointConfig,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
struct Question<'a> {
    prompt: &'a str,
    external_id: String,
}

/// Only what decides; whatever else is there may change.
#[derive(Deserialize)]
struct Answer {
    id: String,
    decision: String,
    #[serde(default)]
    categories: Value,
}

impl Endpoint {
    /// # Errors
    /// [`HttpError`] when no client can be made.
    pub(super) fn open(config: &EndpointConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        let client = http::client(&HttpConfig {
            trusted_hosts: hosts_trusted_with(&config.base_url, &config.trusted_hosts),
            connect_timeout_seconds: config.timeout_seconds.min(2),
            read_timeout_seconds: config.timeout_seconds,
            total_timeout_seconds: config.timeout_seconds,
        })?;
        let mut url = config.base_url.clone();
        url.set_path(&format!("{}/v1/moderation/prompt", url.path().trim_end_matches('/')));
        Ok(Self { client, url, config: config.clone(), clock })
    }

    /// Asks about each text, side by side. What one answer blocks stays blocked when another fails.
    pub(super) async fn judge(
        &self,
        generation: GenerationId,
        wording: &Wording,
    ) -> Result<Verdict, Trouble> {
        let asked = texts(wording).map(|(field, text)| self.ask(generation, field, text));
        let (mut ids, mut blocked, mut trouble) = (Vec::new(), None::<Block>, None);
        for verdict in join_all(asked).await {
            match verdict {
                Ok(Verdict::Allow { proof }) => ids.push(proof),
                Ok(Verdict::Block(block)) => blocked = Some(block.joined(blocked)),
                Err(error) => trouble = Some(error),
            }
        }
        match (blocked, trouble) {
            (Some(block), _) => Ok(Verdict::Block(block)),
            (None, Some(trouble)) => Err(trouble),
            (None, None) if ids.is_empty() => Ok(Verdict::Allow { proof: "no-text".to_owned() }),
            (None, None) => Ok(Verdict::Allow { proof: ids.join("+") }),
        }
    }

    async fn ask(
        &self,
        generation: GenerationId,
        field: &'static str,
        text: &str,
    ) -> Result<Verdict, Trouble> {
        let question = Question { prompt: text, external_id: generation.to_string() };
        let mut request = self.client.post(self.url.clone()).json(&question);
        let (header, key) = (self.config.api_key_header.as_str(), self.config.api_key.expose_secret());
        if !key.is_empty() {
            request = if header.eq_ignore_ascii_case("authorization") {
                request.bearer_auth(key)
            } else {
                request.header(header, key)
            };
        }
        let response = request.send().await.map_err(not_reached)?;
        self.check_status(&response)?;
        verdict(&read(response).await?, field)
    }

    fn check_status(&self, response: &Response) -> Result<(), Trouble> {
        let what = match response.status().as_u16() {
            200..=299 => return Ok(()),
            401 | 403 => "the moderation endpoint refuses the platform's key",
            429 => "the moderation endpoint is asked too often",
            500.. => "the moderation endpoint has a fault",
            _ => "the moderation endpoint does not take the question",
        };
        Err(Trouble { retry_after: retry_after(response.headers(), self.clock.now()), ..Trouble::new(what) })
    }
}

fn verdict(body: &[u8], field: &'static str) -> Result<Verdict, Trouble> {
    // What the reader says of a bad answer may quote the prompt that the answer repeats.
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| Trouble::new("the moderation endpoint gave an answer that cannot be read"))?;
    let id = tame(&answer.id);
    let severity = match answer.decision.as_str() {
        "allow" if id.is_empty() => {
            return Err(Trouble::new("the moderation endpoint allows without naming its decision"));
        }
        "allow" => return Ok(Verdict::Allow { proof: id }),
        "flag" => Severity::Flag,
        "deny" => Severity::Deny,
        _ => return Err(Trouble::new("the moderation endpoint gave a decision that is not known")),
    };
    let listed = answer.categories.as_array().map(Vec::as_slice).unwrap_or_default();
    let categories = listed.iter().filter_map(Value::as_str).map(tame).filter(|name| !name.is_empty());
    let categories: BTreeSet<_> = categories.take(MAX_CATEGORIES).collect();
    Ok(Verdict::Block(Block { severity, categories, fields: [field].into() }))
}

async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(not_reached)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Trouble::new("the answer of the moderation endpoint is too long"));
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
    Trouble::new(what).because(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Verdict> {
        verdict(body.as_bytes(), "prompt").ok()
    }

    #[test]
    fn only_a_clear_allow_with_its_id_allows() {
        let allow =
            r#"{"id":"mod_1","object":"moderation_result","decision":"allow","usage":{"units":1},"new":[]}"#;
        assert_eq!(read(allow), Some(Verdict::Allow { proof: "mod_1".to_owned() }));
        for body in [
            r#"{"id":"mod_1","decision":"ALLOW"}"#,
            r#"{"id":"mod_1","decision":"review"}"#,
            r#"{"id":"mod_1","decision":true}"#,
            r#"{"id":"","decision":"allow"}"#,
            r#"{"id":"\n","decision":"allow"}"#,
            r#"{"decision":"allow"}"#,
            r#"{"id":"mod_1"}"#,
            r#"["allow"]"#,
            "allow",
            "",
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn flag_and_deny_block_and_keep_categories_that_are_words() {
        let blocked = |body: &str| match read(body) {
            Some(Verdict::Block(block)) => (block.severity, block.categories_text()),
            other => panic!("{other:?}"),
        };
        let flag = r#"{"id":"mod_1","decision":"flag","categories":["violence","hate/threat",7,"a\r\nb"]}"#;
        assert_eq!(blocked(flag), (Severity::Flag, "a,hate/threat,violence".to_owned()));
        let deny = r#"{"id":"","decision":"deny","categories":{"violence":true}}"#;
        assert_eq!(blocked(deny), (Severity::Deny, String::new()));
    }
}
