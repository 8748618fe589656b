//! An HTTP server at the level of bytes that answers as it is told, and misbehaves as no library would: it stands in
//! for providers and for the receivers of webhooks.

mod form;
mod reply;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

pub use form::Part;
pub use reply::Reply;

/// The server; it ends with the value. Every connection serves one request.
pub struct WebServer {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    shutdown: Shutdown,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What was sent.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What was sent as JSON; null when it was none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The parts of a form, in order; none when it was none.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let boundary = self.header("content-type").and_then(|kind| Some(kind.split_once("boundary=")?.1));
        boundary.map(|boundary| form::parts(&self.body, boundary)).unwrap_or_default()
    }

    /// One part of a form by its name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<Part> {
        self.parts().into_iter().find(|part| part.name == name)
    }
}

impl WebServer {
    /// A server whose answers `respond` chooses.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(respond: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shutdown = Shutdown::new(Duration::from_secs(60));
        let (tasks, seen) = (shutdown.clone(), Arc::clone(&asked));
        let respond = Arc::new(Mutex::new(respond));
        shutdown.spawn("web server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, respond) = (Arc::clone(&seen), Arc::clone(&respond));
                tasks.spawn("connection", async move { serve(stream, &seen, &respond).await });
            }
        });
        Self { address, asked, shutdown }
    }

    /// An address on this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    ///
    /// # Panics
    /// When a test panicked while it looked.
    pub fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().expect("no test panics inside")
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

async fn serve<F: FnMut(&Asked) -> Reply>(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    respond: &Mutex<F>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    let reply = {
        let mut respond = respond.lock().expect("no answer panics");
        let reply = respond(&asked);
        seen.lock().expect("no test panics inside").push(asked);
        reply
    };
    // The other side may be gone; that is part of some tests.
    drop(reply.write(&mut stream).await);
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut asked = Asked { method: first.next()?, path: first.next()?, headers, body: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = bytes.split_off(end + 4);
    Some(asked)
}
