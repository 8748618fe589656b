//! The hosts from which results may be fetched.

use std::collections::HashSet;

use url::Url;

use crate::provider::CallError;
use crate::reason::Reason;

/// The hosts of one account from which results may be fetched.
#[derive(Debug)]
pub(super) struct AllowedHosts {
    /// `host`, `host:port` or `*.domain`, over HTTPS.
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
    /// `own` is the account's own address; the rest is as configured.
    pub(super) fn new(own: &Url, result_hosts: &[String], trusted_hosts: &[String]) -> Self {
        let secure = result_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let trusted = trusted_hosts.iter().map(|host| host.to_ascii_lowercase());
        Self { secure, trusted: trusted.chain(authority(own)).collect() }
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
            "https" => self.is_secure(&host) || self.trusted.contains(&host),
            "http" => self.trusted.contains(&host),
            _ => return Err(Forbidden::Unusual),
        };
        if listed { Ok(url) } else { Err(Forbidden::Host(host)) }
    }

    /// Listed as it stands, or below a listed `*.domain`.
    fn is_secure(&self, host: &str) -> bool {
        let parents = host.match_indices('.').map(|(dot, _)| &host[dot..]);
        self.secure.contains(host)
            || parents.into_iter().any(|rest| self.secure.contains(&format!("*{rest}")))
    }
}

/// `host`, or `host:port` where the port is not the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> AllowedHosts {
        let own = "http://127.0.0.1:8080/v1".parse().expect("an address");
        let listed = ["cdn.example.com", "files.example.com:8443", "*.delivery.example"].map(str::to_owned);
        AllowedHosts::new(&own, &listed, &["minio.internal:9000".to_owned()])
    }

    #[test]
    fn only_listed_hosts_are_fetched_from() {
        let allowed = [
            "http://127.0.0.1:8080/files/1.png",
            "https://CDN.example.com/1.png?signature=x",
            "https://files.example.com:8443/1.png",
            "http://minio.internal:9000/1.png",
            "https://eu.delivery.example/1.png",
            "https://a.eu.delivery.example/1.png",
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
            let error = hosts().check(link).err();
            assert!(error.is_some_and(|error| error.reason == Reason::ResultHostNotAllowed), "{link}");
        }
    }
}
