//! Ports bound before anything else starts, so that a taken one is the first thing an operator reads.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A port that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: choose a free address in the configuration, or stop what uses it")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Listens on `address`; port 0 picks a free one.
///
/// # Errors
/// [`BindError`] names the address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_in_the_error() -> Result<(), Box<dyn Error>> {
        let first = bind("127.0.0.1:0".parse()?).await?;
        let taken = first.local_addr()?;
        let error = bind(taken).await.err().ok_or("the port was bound twice")?;
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
        Ok(())
    }
}
