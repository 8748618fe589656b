//! Loopback ports that nobody uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Below the ports that Linux gives to outgoing connections, one of which could else take the port of a server that is
/// still to start, or is being started again.
const CHOICE: Range<u16> = 30_000..32_700;
/// Ports of one block. A process has at least one block to itself.
const BLOCK: u16 = 100;

static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Ports in a row that belong to this process as long as it lives.
#[derive(Debug)]
struct Block {
    first: u16,
    /// The distance of the next one; after the last comes the first again.
    next: u16,
    /// Listens on the last port, so that no other process takes the block.
    _claim: TcpListener,
}

/// Ports that were free a moment ago, all different, and given to nobody else, in whatever process, before every other
/// one of the block had its turn: until its server listens, a port looks free to everybody.
///
/// # Errors
/// The machine has none left.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    for port in &mut ports {
        *port = next_free(&mut blocks)?;
    }
    Ok(ports)
}

fn next_free(blocks: &mut Vec<Block>) -> io::Result<u16> {
    if let Some(port) = blocks.iter_mut().find_map(Block::next_free) {
        return Ok(port);
    }
    let mut block = Block::claim().ok_or(io::ErrorKind::AddrInUse)?;
    let port = block.next_free();
    blocks.push(block);
    port.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

impl Block {
    /// The first block that nobody has.
    fn claim() -> Option<Self> {
        CHOICE.step_by(usize::from(BLOCK)).find_map(|first| {
            let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, first + BLOCK - 1)).ok()?;
            // Elsewhere in each process: somebody may still call a server of the last one.
            let next = u16::try_from(std::process::id() % u32::from(BLOCK - 1)).unwrap_or_default();
            Some(Self { first, next, _claim: claim })
        })
    }

    fn next_free(&mut self) -> Option<u16> {
        // The last is the claim's.
        (1..BLOCK).find_map(|_| {
            let port = self.first + self.next;
            self.next = (self.next + 1) % (BLOCK - 1);
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn servers_that_do_not_listen_yet_have_different_ports() {
        let mut block = Block::claim().expect("a free block");
        let ports: HashSet<_> = (1..BLOCK).map(|_| block.next_free().expect("free")).collect();
        assert_eq!(ports.len(), usize::from(BLOCK - 1));
        assert!(ports.iter().all(|port| CHOICE.contains(port)));
    }

    #[test]
    fn a_port_that_somebody_uses_is_passed_over() {
        let mut block = Block::claim().expect("a free block");
        let taken = block.next_free().expect("free");
        let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).expect("free");
        let others: HashSet<_> = (1..BLOCK * 2).map(|_| block.next_free().expect("free")).collect();
        assert!(!others.contains(&taken));
    }

    #[test]
    fn whoever_comes_later_has_another_block() {
        let [one, other] = [(); 2].map(|()| Block::claim().expect("a free block"));
        assert_ne!(one.first, other.first);
    }
}
