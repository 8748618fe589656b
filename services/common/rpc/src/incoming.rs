//! Accepted connections, without Nagle's delay.

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connections of a listener, ready for a server.
///
/// Nagle's algorithm is off: with it a small answer waits for the peer's acknowledgement, 40 ms at the worst.
pub struct Incoming;

impl Incoming {
    /// The connections that arrive at `listener`.
    #[must_use]
    pub fn of(listener: TcpListener) -> TcpIncoming {
        TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEP_ALIVE))
    }
}
