//! Loopback ports that nobody uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Ports that were free a moment ago, all different.
///
/// # Errors
/// The machine has none left.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // All are held until all are known, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
