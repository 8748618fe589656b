//! Cutting connections that went silent.
//!
//! sqlx 0.9 waits for an answer without end, when a statement is under way as when a connection returns to its pool, and
//! offers no socket of its own on which to set a limit. A peer that vanished without a word (a lost host, a firewall that
//! forgot) would so take a pool's connections one by one, and every task that waits for one. A connection that is shut down
//! underneath is a broken one, which everything here expects.

use std::collections::HashSet;
use std::fs;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

use nix::sys::socket::{Shutdown, SockaddrStorage, getpeername, shutdown};
use sqlx::PgPool;
use tokio::net::lookup_host;

/// Shuts down every connection of this process to the server of a pool; answers how many. None over a Unix socket, whose
/// peer cannot vanish alone.
pub(super) async fn cut(pool: &PgPool) -> usize {
    let options = pool.connect_options();
    let Ok(found) = lookup_host((options.get_host(), options.get_port())).await else { return 0 };
    let servers: HashSet<SocketAddr> = found.collect();
    let to_server = open().into_iter().filter(|fd| peer(*fd).is_some_and(|peer| servers.contains(&peer)));
    // A descriptor that was closed a moment ago is no loss; nor is one more connection that is made anew.
    to_server.filter(|fd| shutdown(*fd, Shutdown::Both).is_ok()).count()
}

/// The descriptors of this process.
fn open() -> Vec<RawFd> {
    let Ok(entries) = fs::read_dir("/dev/fd") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Whom a descriptor is connected to, if it is a socket of the Internet.
fn peer(fd: RawFd) -> Option<SocketAddr> {
    let peer: SockaddrStorage = getpeername(fd).ok()?;
    let v4 = peer.as_sockaddr_in().map(|peer| SocketAddrV4::from(*peer).into());
    v4.or_else(|| peer.as_sockaddr_in6().map(|peer| SocketAddrV6::from(*peer).into()))
}
