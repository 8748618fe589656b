//! The hosts from which results may be fetched.

use std::collections::HashSet;

use imagioo_runtime::http::hosts_trusted_with;
use url::Url;

use super::{AccountConfig, Kind};
use crate::provider::CallError;
use crate::reason::Reason;

/// The hosts of one account: those of its API, which get the key, and those of its results, which do not.
#[derive(Debug)]
pub(super) struct AllowedHosts {
    /// The account's own address.
    own: Url,
    /// More hosts of the API: `host`, `host:port` or `*.domain`, over HTTPS.
    api: HashSet<String>,
    /// Hosts of results, over HTTPS.
    secure: HashSet<String>,
    /// Hosts of results, also over HTTP.
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
    /// The hosts of an account at `own`, each of which [`is_host`].
    pub(super) fn new<D>(own: &Url, kind: Kind, config: &AccountConfig<D>) -> Self {
        let lower = |hosts: &[String]| hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let known = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<HashSet<_>>();
        let mut secure: HashSet<String> = lower(&config.result_hosts);
        secure.extend(known(kind.result_hosts));
        Self { own: own.clone(), api: known(kind.api_hosts), secure, trusted: lower(&config.trusted_hosts) }
    }

    /// Hosts that may be at private addresses: an API that the operator wrote as plain HTTP, and the trusted hosts.
    pub(super) fn private(&self) -> Vec<String> {
        hosts_trusted_with(&self.own, &self.trusted)
    }

    /// The address of a result, if its host is listed.
    ///
    /// # Errors
    /// [`Reason::ResultHostNotAllowed`].
    pub(super) fn result(&self, link: &str) -> Result<Url, CallError> {
        allowed(link, |url, host| {
            self.is_own(url)
                || self.trusted.contains(host)
                || (url.scheme() == "https" && (is_listed(&self.secure, host) || is_listed(&self.api, host)))
        })
    }

    /// The address of more of the API, if its host is listed.
    ///
    /// # Errors
    /// [`Reason::ResultHostNotAllowed`].
    pub(super) fn api(&self, link: &str) -> Result<Url, CallError> {
        allowed(link, |url, host| self.is_own(url) || (url.scheme() == "https" && is_listed(&self.api, host)))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.own.origin()
    }
}

fn allowed(link: &str, listed: impl FnOnce(&Url, &str) -> bool) -> Result<Url, CallError> {
    let check = || {
        let url = Url::parse(link).map_err(Forbidden::Unreadable)?;
        let plain =
            matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        let host = authority(&url).filter(|_| plain).ok_or(Forbidden::Unusual)?;
        if listed(&url, &host) { Ok(url) } else { Err(Forbidden::Host(host)) }
    };
    check().map_err(|error| CallError::failed(Reason::ResultHostNotAllowed).because(error))
}

/// Listed as it stands, or below a listed `*.domain`.
fn is_listed(list: &HashSet<String>, host: &str) -> bool {
    let mut parents = host.match_indices('.').map(|(dot, _)| &host[dot..]);
    list.contains(host) || parents.any(|rest| list.contains(&format!("*{rest}")))
}

/// Whether this can be the name of a host: `host`, `host:port` or `*.domain`.
pub(super) fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    !name.is_empty() && !name.contains(['/', '@', '*', ' ', '?', '#'])
}

/// `host`, or `host:port` where the port is not the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        base_url: "",
        api_hosts: &["*.api.example"],
        result_hosts: &["*.delivery.example"],
        paid: true,
    };

    fn configured(own: &str) -> AllowedHosts {
        let config: AccountConfig = toml::from_str(
            r#"result_hosts = ["cdn.example.com", "files.example.com:8443"]
            trusted_hosts = ["minio.internal:9000"]"#,
        )
        .expect("a configuration");
        AllowedHosts::new(&own.parse().expect("an address"), KIND, &config)
    }

    fn hosts() -> AllowedHosts {
        configured("http://127.0.0.1:8080/v1")
    }

    fn is_refused(checked: Result<Url, CallError>) -> bool {
        checked.is_err_and(|error| error.reason == Reason::ResultHostNotAllowed)
    }

    #[test]
    fn results_come_from_listed_hosts_only() {
        let allowed = [
            "http://127.0.0.1:8080/files/1.png",
            "https://CDN.example.com/1.png?signature=x",
            "https://files.example.com:8443/1.png",
            "http://minio.internal:9000/1.png",
            "https://eu.delivery.example/1.png",
            "https://a.eu.delivery.example/1.png",
            "https://eu.api.example/1.png",
        ];
        for link in allowed {
            assert!(hosts().result(link).is_ok(), "{link}");
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
            "https://delivery.example/1.png",
            "https://evildelivery.example/1.png",
            "http://eu.delivery.example/1.png",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]:8080/",
            "file:///etc/passwd",
            "gopher://cdn.example.com/",
            "//cdn.example.com/1.png",
            "",
        ];
        for link in forbidden {
            assert!(is_refused(hosts().result(link)), "{link}");
        }
    }

    #[test]
    fn the_key_goes_to_the_api_only() {
        for link in ["http://127.0.0.1:8080/v1/tasks/1", "https://eu.api.example/v1/tasks/1"] {
            assert!(hosts().api(link).is_ok(), "{link}");
        }
        let forbidden = [
            "https://cdn.example.com/tasks/1",
            "http://minio.internal:9000/tasks/1",
            "https://eu.delivery.example/tasks/1",
            "http://eu.api.example/tasks/1",
            "https://127.0.0.1:8080/tasks/1",
            "https://key@eu.api.example/tasks/1",
        ];
        for link in forbidden {
            assert!(is_refused(hosts().api(link)), "{link}");
        }
    }

    #[test]
    fn an_account_over_https_is_not_followed_to_http() {
        let hosts = configured("https://images.example.org/v1");
        assert!(hosts.result("https://images.example.org/1.png").is_ok());
        assert!(is_refused(hosts.result("http://images.example.org/1.png")));
        assert_eq!(hosts.private(), ["minio.internal"]);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (host, good) in [
            ("a.example", true),
            ("*.a.example", true),
            ("a:9000", true),
            ("http://a", false),
            ("*", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(is_host(host), good, "{host}");
        }
    }
}
