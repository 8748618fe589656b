//! What decides whether a client may connect, before and after a name is resolved.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Proxy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::is_public;

/// Why a connection is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host has no public address.
    #[error("the host has no public address; list it as trusted if it is meant")]
    Address,
    /// The address is not one of HTTPS.
    #[error("the address is not https; list the host as trusted if that is meant")]
    Scheme,
    /// The port belongs to another service than HTTP.
    #[error("the port is reserved for another service; list the host as trusted if it is meant")]
    Port,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Address, Self::Scheme, Self::Port];

    /// The name that [`detour`] sends a refused request to and that [`GuardedResolver`] knows again. No such
    /// name can exist (RFC 2606).
    const fn detour(self) -> &'static str {
        match self {
            Self::Address => "address.refused.invalid",
            Self::Scheme => "scheme.refused.invalid",
            Self::Port => "port.refused.invalid",
        }
    }
}

/// The rules, with the operator's exemptions.
#[derive(Debug)]
pub(super) struct Guard {
    trusted: HashSet<String>,
}

impl Guard {
    pub(super) fn new(trusted: &[String]) -> Self {
        Self { trusted: trusted.iter().map(|host| host.to_lowercase()).collect() }
    }

    /// Judges what an address says before anything is resolved.
    pub(super) fn before_lookup(&self, url: &Url) -> Result<(), Refusal> {
        let (name, literal) = match url.host() {
            Some(Host::Domain(name)) => (name.to_lowercase(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            None => return Err(Refusal::Address),
        };
        if self.trusted.contains(&name) {
            return Ok(());
        }
        if literal.is_some_and(|address| !is_public(address)) {
            return Err(Refusal::Address);
        }
        if url.scheme() != "https" {
            return Err(Refusal::Scheme);
        }
        match url.port_or_known_default() {
            Some(443 | 1024..) => Ok(()),
            _ => Err(Refusal::Port),
        }
    }

    /// Keeps the addresses that may be connected to.
    fn after_lookup(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        if self.trusted.contains(&name.to_lowercase()) {
            return Ok(found);
        }
        let public: Vec<_> = found.into_iter().filter(|address| is_public(address.ip())).collect();
        if public.is_empty() { Err(Refusal::Address) } else { Ok(public) }
    }
}

/// Stops what the resolver never sees: reqwest connects to a literal address without resolving it, but asks
/// for a proxy first. A refused request is told to use one at a name that only [`GuardedResolver`] knows, and
/// it fails there before any connection is made.
pub(super) fn detour(guard: Arc<Guard>) -> Proxy {
    Proxy::custom(move |url| {
        let refusal = guard.before_lookup(url).err()?;
        Some(format!("http://{}", refusal.detour()))
    })
}

/// Resolves names with the system's resolver and lets only allowed addresses through.
pub(super) struct GuardedResolver(Arc<Guard>);

impl GuardedResolver {
    pub(super) const fn new(guard: Arc<Guard>) -> Self {
        Self(guard)
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let name = name.as_str();
            if let Some(refusal) = Refusal::ALL.into_iter().find(|refusal| refusal.detour() == name) {
                return Err(refusal.into());
            }
            let found = tokio::net::lookup_host((name, 0)).await?.collect();
            let allowed = guard.after_lookup(name, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(url: &str) -> Result<(), Refusal> {
        let guard = Guard::new(&[String::from("Minio.internal"), String::from("10.0.0.9")]);
        guard.before_lookup(&url.parse().expect("an address"))
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
            "https://public.example@10.0.0.1/",
        ] {
            assert_eq!(judge(url), Err(Refusal::Address), "{url}");
        }
    }

    #[test]
    fn only_https_on_web_or_high_ports_is_allowed() {
        assert_eq!(judge("https://example.com/"), Ok(()));
        assert_eq!(judge("https://example.com:8443/"), Ok(()));
        assert_eq!(judge("https://1.1.1.1/"), Ok(()));
        assert_eq!(judge("http://example.com/"), Err(Refusal::Scheme));
        assert_eq!(judge("gopher://example.com:7070/"), Err(Refusal::Scheme));
        assert_eq!(judge("https://example.com:25/"), Err(Refusal::Port));
        assert!(judge("file:///etc/passwd").is_err());
    }

    #[test]
    fn a_trusted_host_may_be_anything() {
        assert_eq!(judge("http://minio.internal:80/"), Ok(()));
        assert_eq!(judge("http://10.0.0.9:25/"), Ok(()));
        assert_eq!(judge("http://10.0.0.10/"), Err(Refusal::Address));
    }

    #[test]
    fn of_several_addresses_only_public_ones_are_connected_to() {
        let guard = Guard::new(&[]);
        let (inside, outside) = (SocketAddr::from(([10, 0, 0, 1], 0)), SocketAddr::from(([1, 1, 1, 1], 0)));
        assert_eq!(guard.after_lookup("a.example", vec![inside, outside]), Ok(vec![outside]));
        assert_eq!(guard.after_lookup("a.example", vec![inside]), Err(Refusal::Address));
        assert_eq!(guard.after_lookup("a.example", vec![]), Err(Refusal::Address));
    }
}
