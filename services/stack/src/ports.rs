//! Where the processes listen: fixed distances from the first gateway's port, so that a restarted one is found again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};

/// Below the ports that systems give to outgoing connections, one of which could else take a restarted process's.
const CHOICE: std::ops::Range<u16> = 12_000..30_000;
/// Ports of one stack.
const SPAN: u16 = 200;
/// Held as long as the stack lives, so that no other takes the same ports.
const CLAIM: u16 = SPAN - 1;
/// How long the processes of a killed stack may take to be gone.
const PASSING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// The ports of one stack, claimed for its life.
#[derive(Debug)]
pub(crate) struct Ports {
    first: u16,
    _claim: TcpListener,
}

impl Ports {
    /// The ports from `first` on, or any when it is 0.
    pub(crate) async fn claim(first: u16) -> anyhow::Result<Self> {
        if first != 0 {
            anyhow::ensure!(first <= u16::MAX - SPAN, "port {first} leaves no room for the {SPAN} after it");
            let claim = bind(first + CLAIM).await.context("is another stack using these ports?")?;
            return Ok(Self { first, _claim: claim });
        }
        // Where to begin differs from process to process; where nobody is yet is found by trying.
        let offset = u16::try_from(std::process::id() % 80).unwrap_or_default() * SPAN;
        let room = CHOICE.end - CHOICE.start;
        for step in 0..room / SPAN {
            let first = CHOICE.start + (offset + step * SPAN) % room;
            if let Ok(claim) = TcpListener::bind((Ipv4Addr::LOCALHOST, first + CLAIM)) {
                return Ok(Self { first, _claim: claim });
            }
        }
        bail!("this machine has no {SPAN} loopback ports in a row for the stack")
    }

    /// Waits until none of the ports that a stack of this size listens on is in use.
    pub(crate) async fn require_free(&self, gateways: u16, workers: u16) -> anyhow::Result<()> {
        let single = [self.account(), self.billing(), self.ops_account(), self.ops_billing()];
        let of_gateways =
            (0..gateways).flat_map(|n| [self.gateway(n), self.gateway_internal(n), self.ops_gateway(n)]);
        let of_workers = (0..workers).map(|n| self.ops_worker(n));
        let all = single.into_iter().chain(of_gateways).chain(of_workers);
        try_join_all(all.map(require_free)).await.map(drop)
    }

    pub(crate) const fn gateway(&self, replica: u16) -> SocketAddr {
        self.at(replica)
    }

    pub(crate) const fn account(&self) -> SocketAddr {
        self.at(100)
    }

    pub(crate) const fn billing(&self) -> SocketAddr {
        self.at(101)
    }

    pub(crate) const fn gateway_internal(&self, replica: u16) -> SocketAddr {
        self.at(110 + replica)
    }

    pub(crate) const fn ops_account(&self) -> SocketAddr {
        self.at(120)
    }

    pub(crate) const fn ops_billing(&self) -> SocketAddr {
        self.at(121)
    }

    pub(crate) const fn ops_gateway(&self, replica: u16) -> SocketAddr {
        self.at(130 + replica)
    }

    pub(crate) const fn ops_worker(&self, replica: u16) -> SocketAddr {
        self.at(140 + replica)
    }

    const fn at(&self, distance: u16) -> SocketAddr {
        SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.first + distance))
    }
}

/// Waits until nobody listens there.
pub(crate) async fn require_free(address: SocketAddr) -> anyhow::Result<()> {
    bind(address.port()).await.map(drop)
}

async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let deadline = Instant::now() + PASSING;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(_) if Instant::now() < deadline => sleep(LOOK).await,
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "port {port} is taken by another program: end it (`ss -ltnp sport = :{port}` names it), or \
                         choose other ports with IMAGIOO_STACK__PORT"
                    )
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_stacks_have_different_ports() {
        let (one, other) = (Ports::claim(0).await.expect("free"), Ports::claim(0).await.expect("free"));
        assert_ne!(one.gateway(0), other.gateway(0));
    }

    #[tokio::test]
    async fn a_port_that_another_program_uses_is_found_before_anything_starts() {
        let ports = Ports::claim(0).await.expect("free");
        ports.require_free(1, 1).await.expect("free");
        let _other = TcpListener::bind(ports.gateway_internal(0)).expect("free");
        let error = ports.require_free(1, 1).await.expect_err("taken");
        assert!(format!("{error:#}").contains(&ports.gateway_internal(0).port().to_string()), "{error:#}");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let taken = Ports::claim(0).await.expect("free");
        let error = Ports::claim(taken.first).await.expect_err("taken");
        let said = format!("{error:#}");
        assert!(said.contains(&format!("port {} is taken", taken.first + CLAIM)), "{said}");
        assert!(said.contains("IMAGIOO_STACK__PORT"), "{said}");
    }
}
