//! HTTP clients that cannot be talked into reaching the inside of the network.
//!
//! A client of this module follows no redirect, uses no proxy of the environment, has time-outs for
//! connecting, for silence and in total, and connects to public addresses only: names are resolved here,
//! refused unless public, and the connection goes to the very address that was checked. Hosts that the
//! operator lists as trusted are exempt.

mod address;
mod guard;
mod retry_after;

use std::sync::Arc;
use std::time::Duration;

pub use guard::Refusal;
use guard::{Guard, GuardedResolver};
pub use retry_after::retry_after;
use url::Url;

/// Time-outs and exemptions of an HTTP client.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Host names or addresses that may be private, use plain HTTP and any port.
    pub trusted_hosts: Vec<String>,
    /// Seconds to establish a connection, name look-up included.
    pub connect_timeout_seconds: u64,
    /// Seconds without a byte of the answer.
    pub read_timeout_seconds: u64,
    /// Seconds for a call from its start to the last byte of its answer.
    pub total_timeout_seconds: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            trusted_hosts: Vec::new(),
            connect_timeout_seconds: 10,
            read_timeout_seconds: 60,
            total_timeout_seconds: 300,
        }
    }
}

/// A client that cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct HttpError(#[from] reqwest::Error);

/// A guarded client. [`refusal`] tells whether the guard refused a failed call.
///
/// # Errors
/// [`HttpError`] when the system's certificates cannot be loaded.
pub fn client(config: &HttpConfig) -> Result<reqwest::Client, HttpError> {
    crate::crypto::install();
    let guard = Arc::new(Guard::new(&config.trusted_hosts));
    let client = reqwest::Client::builder()
        .user_agent(concat!("imagioo/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(config.connect_timeout_seconds))
        .read_timeout(Duration::from_secs(config.read_timeout_seconds))
        .timeout(Duration::from_secs(config.total_timeout_seconds))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .proxy(guard::detour(guard.clone()))
        .dns_resolver(GuardedResolver::new(guard))
        .build()?;
    Ok(client)
}

/// The trusted hosts of a client that speaks to one server: what the operator listed as `host` or `host:port`, and the
/// server itself if its address is plain HTTP, which nobody writes by accident.
#[must_use]
pub fn hosts_trusted_with<'a>(server: &'a Url, listed: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let own = server.host_str().filter(|_| server.scheme() == "http");
    let listed = listed.into_iter().map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    });
    own.into_iter().chain(listed).map(|host| host.trim_matches(['[', ']']).to_owned()).collect()
}

/// Whether a client that trusts these hosts would call this address, as far as can be told before its name is resolved.
///
/// # Errors
/// [`Refusal`]: why it would not.
pub fn check(trusted_hosts: &[String], url: &Url) -> Result<(), Refusal> {
    Guard::new(trusted_hosts).before_lookup(url)
}

/// Why the guard refused this call; `None` when it failed for another reason.
#[must_use]
pub fn refusal(error: &reqwest::Error) -> Option<Refusal> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref() {
            return Some(*refusal);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
