//! The address of an endpoint, checked before anything is stored.

use imagioo_runtime::http::{self, Refusal};
use url::Url;

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error("must be an address such as https://example.com/webhooks")]
    Unreadable,
    #[error("must begin with https://")]
    Scheme,
    #[error("must not carry a user name or password: verify the signature instead")]
    Credentials,
    #[error("must not have a part after `#`: it is never sent")]
    Fragment,
    #[error("must have a public address")]
    Private,
    #[error("must use port 443 or one above 1023")]
    Port,
}

impl BadAddress {
    const fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Address => Self::Private,
            Refusal::Scheme => Self::Scheme,
            Refusal::Port => Self::Port,
        }
    }
}

/// An address in its canonical form, if events may be sent there. What its name resolves to is checked with each request.
pub(crate) fn check(text: &str, trusted_hosts: &[String]) -> Result<String, BadAddress> {
    let url: Url = text.trim().parse().map_err(|_| BadAddress::Unreadable)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(BadAddress::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadAddress::Credentials);
    }
    if url.fragment().is_some() {
        return Err(BadAddress::Fragment);
    }
    http::check(trusted_hosts, &url).map_err(BadAddress::of)?;
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<String, BadAddress> {
        check(text, &["hooks.internal".to_owned()])
    }

    #[test]
    fn only_public_https_addresses_are_taken() {
        assert_eq!(checked("https://Example.com/hook?a=b").as_deref(), Ok("https://example.com/hook?a=b"));
        for (text, why) in [
            ("", BadAddress::Unreadable),
            ("example.com", BadAddress::Unreadable),
            ("http://example.com/", BadAddress::Scheme),
            ("ftp://hooks.internal/", BadAddress::Scheme),
            ("https://user:pass@example.com/", BadAddress::Credentials),
            ("https://example.com/#top", BadAddress::Fragment),
            ("https://127.0.0.1/", BadAddress::Private),
            ("https://[::ffff:10.0.0.1]/", BadAddress::Private),
            ("https://169.254.169.254/latest/meta-data", BadAddress::Private),
            ("https://example.com:25/", BadAddress::Port),
        ] {
            assert_eq!(checked(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_host_that_the_operator_trusts_may_be_private_and_plain() {
        assert_eq!(checked("http://hooks.internal:8080/x").as_deref(), Ok("http://hooks.internal:8080/x"));
    }
}
