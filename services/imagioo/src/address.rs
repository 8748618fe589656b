//! The address of a server, as typed and as used.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tonic::transport::Uri;

/// Where a gateway listens, such as `http://127.0.0.1:7420`. Two spellings of one address compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address(String);

/// A text that is no address of a server.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not the address of a server: {problem}")]
pub(crate) struct InvalidAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// The address `http://host:port` at which this process itself serves.
    pub(crate) fn served_at(uri: &str) -> Self {
        Self(uri.to_owned())
    }

    /// The address as a URI.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent there stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let uri = self.0.parse::<Uri>().unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }
}

impl Default for Address {
    /// Where a server on this machine listens unless told otherwise.
    fn default() -> Self {
        Self("http://127.0.0.1:7420".to_owned())
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = |problem| InvalidAddress { text: text.to_owned(), problem };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri = full.parse::<Uri>().map_err(|_| invalid("write it as `http://host:port`"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(invalid(
                    "the gateway speaks HTTP/2 without TLS; use `http://` over a tunnel or private network",
                ));
            }
            _ => return Err(invalid("write it as `http://host:port`")),
        }
        let authority = uri.authority().ok_or_else(|| invalid("the host is missing"))?;
        if authority.as_str().contains('@') || uri.path() != "/" || uri.query().is_some() {
            return Err(invalid("write host and port only, as in `http://host:port`"));
        }
        Ok(Self(format!("http://{}", authority.as_str().to_lowercase())))
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    #[test]
    fn the_scheme_may_be_left_out_and_spellings_are_one() {
        assert_eq!(address("Example.org:80"), address("http://example.org:80/"));
        assert_eq!(address("127.0.0.1:7420"), Address::default());
    }

    #[test]
    fn what_cannot_be_reached_is_refused_before_it_is_tried() {
        for text in ["", "https://example.org", "ftp://a", "http://a/b", "http://user@a", "http://a?b", "a b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        assert!(address("localhost:1").is_local());
        assert!(address("[::1]:1").is_local());
        assert!(!address("10.0.0.1:1").is_local());
        assert!(!address("localhost.example.org:1").is_local());
    }
}
