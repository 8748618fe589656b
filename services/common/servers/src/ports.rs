//! Loopback ports that nobody uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives to outgoing connections, one of which could else take the port of a server that is
/// still to start, or is being started again.
const CHOICE: Range<u16> = 30_000..32_700;
/// The next one to try. Each process begins elsewhere.
static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(97)));

/// Ports that were free a moment ago, all different, and given to nobody else in this process before every other one
/// had its turn: until its server listens, a port looks free to everybody.
///
/// # Errors
/// The machine has none left.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = next_free()?;
    }
    Ok(ports)
}

fn next_free() -> io::Result<u16> {
    let room = u32::from(CHOICE.end - CHOICE.start);
    let turns = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed) % room).take(CHOICE.len());
    let mut ports = turns.map(|turn| CHOICE.start + u16::try_from(turn).unwrap_or_default());
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn servers_that_do_not_listen_yet_have_different_ports() {
        let ports: Vec<[u16; 13]> = (0..100).map(|_| free_ports().expect("free")).collect();
        let different: HashSet<_> = ports.iter().flatten().collect();
        assert_eq!(different.len(), 1_300);
        assert!(ports.iter().flatten().all(|port| CHOICE.contains(port)));
    }

    #[test]
    fn a_port_that_somebody_uses_is_passed_over() {
        let [taken] = free_ports().expect("free");
        let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).expect("free");
        let others: HashSet<u16> = (0..CHOICE.len()).map(|_| next_free().expect("free")).collect();
        assert!(!others.contains(&taken));
    }
}
