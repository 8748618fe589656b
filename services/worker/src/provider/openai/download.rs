//! Fetching a result from the link a provider gave: from listed hosts only.

use std::collections::HashSet;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Client;
use url::Url;

use super::{OpenAiConfig, transport_error};
use crate::backoff::Backoff;
use crate::provider::{CallError, Charged, Fate};
use crate::reason::Reason;

/// The hosts of one account from which results may be fetched.
#[derive(Debug)]
pub(super) struct AllowedHosts {
    /// `host` or `host:port`, over HTTPS.
    secure: HashSet<String>,
    /// The same, also over HTTP.
    trusted: HashSet<String>,
}

/// Why a link is not followed.
#[derive(Debug, thiserror::Error)]
enum Forbidden {
    /// Not a link at all.
    #[error("the link cannot be read")]
    Unreadable(#[source] url::ParseError),
    /// Another scheme, or with a user name.
    #[error("the link is not a plain web address")]
    Unusual,
    /// A host that is not listed.
    #[error("the host `{0}` is not listed in result_hosts or trusted_hosts")]
    Host(String),
}

impl AllowedHosts {
    pub(super) fn of(config: &OpenAiConfig) -> Self {
        let secure = config.result_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let trusted = config.trusted_hosts.iter().map(|host| host.to_ascii_lowercase());
        Self { secure, trusted: trusted.chain(authority(&config.base_url)).collect() }
    }

    /// The address behind a link, if its host is listed.
    pub(super) fn check(&self, link: &str) -> Result<Url, CallError> {
        self.allowed(link).map_err(|error| CallError::failed(Reason::ResultHostNotAllowed).because(error))
    }

    fn allowed(&self, link: &str) -> Result<Url, Forbidden> {
        let url = Url::parse(link).map_err(Forbidden::Unreadable)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let host = authority(&url).filter(|_| !has_user).ok_or(Forbidden::Unusual)?;
        let listed = match url.scheme() {
            "https" => self.secure.contains(&host) || self.trusted.contains(&host),
            "http" => self.trusted.contains(&host),
            _ => return Err(Forbidden::Unusual),
        };
        if listed { Ok(url) } else { Err(Forbidden::Host(host)) }
    }
}

/// `host`, or `host:port` where the port is not the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Opens a result. Tries again for a few seconds: the image is paid for, and its link does not live long.
pub(super) async fn open(
    client: Client,
    url: Url,
) -> Result<BoxStream<'static, Result<Bytes, CallError>>, CallError> {
    let mut backoff = Backoff::short();
    loop {
        let error = match get(&client, &url).await {
            Ok(response) => return Ok(response.bytes_stream().map_err(lost).boxed()),
            Err(error) => error,
        };
        let worth_it = matches!(error.fate, Fate::Retry { .. });
        if !(worth_it && backoff.wait().await) {
            return Err(error);
        }
    }
}

/// A stream of nothing but the reason.
pub(super) fn broken(error: CallError) -> BoxStream<'static, Result<Bytes, CallError>> {
    stream::once(async { Err(error) }).boxed()
}

#[derive(Debug, thiserror::Error)]
#[error("the link answers {0}")]
struct NoFile(reqwest::StatusCode);

async fn get(client: &Client, url: &Url) -> Result<reqwest::Response, CallError> {
    let response = client.get(url.clone()).send().await.map_err(lost)?;
    let status = response.status();
    match status.as_u16() {
        200 => Ok(response),
        408 | 429 | 500..=599 => {
            Err(CallError::retry(Reason::ProviderBadImage, Charged::Unknown).because(NoFile(status)))
        }
        _ => Err(CallError::failed(Reason::ProviderBadImage).because(NoFile(status))),
    }
}

/// The image exists and was paid for; only its bytes did not arrive.
fn lost(error: reqwest::Error) -> CallError {
    CallError { fate: Fate::Retry { after: None, charged: Charged::Unknown }, ..transport_error(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> AllowedHosts {
        let config = serde_json::json!({
            "base_url": "http://127.0.0.1:8080/v1",
            "result_hosts": ["cdn.example.com", "files.example.com:8443"],
            "trusted_hosts": ["minio.internal:9000"],
        });
        AllowedHosts::of(&serde_json::from_value(config).expect("a configuration"))
    }

    #[test]
    fn only_listed_hosts_are_fetched_from() {
        let allowed = [
            "http://127.0.0.1:8080/files/1.png",
            "https://CDN.example.com/1.png?signature=x",
            "https://files.example.com:8443/1.png",
            "http://minio.internal:9000/1.png",
        ];
        for link in allowed {
            assert!(hosts().check(link).is_ok(), "{link}");
        }
        let forbidden = [
            "http://127.0.0.1:22/",
            "http://127.0.0.1/",
            "http://cdn.example.com/1.png",
            "https://cdn.example.com:444/1.png",
            "https://cdn.example.com.evil.example/1.png",
            "https://cdn.example.com@evil.example/1.png",
            "https://user@cdn.example.com/1.png",
            "https://evil.example/cdn.example.com",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]:8080/",
            "file:///etc/passwd",
            "gopher://cdn.example.com/",
            "//cdn.example.com/1.png",
            "",
        ];
        for link in forbidden {
            let error = hosts().check(link).err();
            assert!(error.is_some_and(|error| error.reason == Reason::ResultHostNotAllowed), "{link}");
        }
    }
}
