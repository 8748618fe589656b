//! What no well-made server does: one port breaks every connection after the request, one answers a byte at a time.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Calls;

/// Between two bytes.
const DRIP: Duration = Duration::from_millis(100);

/// Two ports; they close with the value.
pub struct Rough {
    pub resets: String,
    pub drips: String,
    _servers: JoinSet<()>,
}

impl Rough {
    pub async fn start(calls: &Calls) -> Self {
        let mut servers = JoinSet::new();
        let resets = listen(&mut servers, Calls::clone(calls), false).await;
        let drips = listen(&mut servers, Calls::clone(calls), true).await;
        Self { resets, drips, _servers: servers }
    }
}

async fn listen(servers: &mut JoinSet<()>, calls: Calls, drips: bool) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    servers.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((connection, _)) = listener.accept().await {
            open.spawn(answer(connection, Calls::clone(&calls), drips));
        }
    });
    address
}

async fn answer(mut connection: TcpStream, calls: Calls, drips: bool) {
    let Some(prompt) = prompt(&mut connection).await else { return };
    calls.lock().expect("no panic").entry(prompt).or_default().push(Instant::now());
    if !drips {
        // Closed so, it is a reset and not an end.
        return connection.set_zero_linger().expect("a socket");
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let mut sent = connection.write_all(head).await;
    while sent.is_ok() {
        sleep(DRIP).await;
        sent = connection.write_all(b" ").await;
    }
}

/// Reads a request to the end of its JSON.
async fn prompt(connection: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        if connection.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_slice::<Value>(&request[head + 4..]) {
            return body["prompt"].as_str().map(str::to_owned);
        }
    }
}
