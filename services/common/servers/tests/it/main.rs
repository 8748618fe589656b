//! Real servers: they start, keep their address and their data, and leave nothing behind.

mod leash;
mod rabbitmq;
mod seaweed;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_mins(1);

/// Waits until nobody listens there any more.
async fn closed(address: &str) {
    let gone = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(HANG, gone).await.expect("it is gone");
}
