//! A server that speaks the OpenAI Images API at the level of bytes, and misbehaves on request. Its bodies are those of
//! the API's documentation; it shares nothing with the adapter.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_runtime::Shutdown;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The server; it ends with the value.
pub struct FakeOpenAi {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    shutdown: Shutdown,
}

/// What was asked, and what will be answered.
#[derive(Default)]
pub struct State {
    /// Answers to requests for images, in order.
    pub replies: VecDeque<Reply>,
    /// Answers to everything else, by path.
    pub files: HashMap<String, Reply>,
    /// The requests so far.
    pub requests: Vec<Asked>,
}

/// One request.
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    /// What was sent as JSON.
    pub body: Value,
    /// What was sent as a form, in order.
    pub parts: Vec<Part>,
}

/// One part of a form.
pub struct Part {
    pub name: String,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// One answer.
#[derive(Clone)]
pub enum Reply {
    /// A whole answer.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// The beginning of an answer, then a reset.
    Cut { body: Vec<u8>, after: usize },
    /// An answer that comes byte by byte.
    Drip { body: Vec<u8>, pause: Duration },
    /// An answer without an end or a length.
    Endless,
    /// The request is read, then the connection is reset.
    Reset,
    /// The request is read, then nothing.
    Hang,
}

impl Reply {
    /// JSON under a status.
    pub fn json(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    /// The same under another status.
    pub fn under(self, status: u16) -> Self {
        match self {
            Self::Answer { headers, body, .. } => Self::Answer { status, headers, body },
            other => other,
        }
    }

    /// The same with one more header.
    pub fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }

    /// A success with images in base64.
    pub fn images(files: &[&[u8]]) -> Self {
        Self::json(200, &images(files))
    }

    /// A file of some type.
    pub fn file(content_type: &str, body: &[u8]) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self::Answer { status: 200, headers, body: body.to_vec() }
    }
}

/// The body of a success.
pub fn images(files: &[&[u8]]) -> String {
    let data: Vec<String> =
        files.iter().map(|file| format!(r#"{{"b64_json":"{}"}}"#, STANDARD.encode(file))).collect();
    format!(
        r#"{{"created":1713833628,"background":"opaque","data":[{}],"output_format":"png","quality":"low",
        "size":"1024x1024","usage":{{"input_tokens":50,"input_tokens_details":{{"image_tokens":40,"text_tokens":10}},
        "output_tokens":50,"total_tokens":100}}}}"#,
        data.join(",")
    )
}

impl FakeOpenAi {
    /// A server that will give these answers.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state =
            Arc::new(Mutex::new(State { replies: replies.into_iter().collect(), ..State::default() }));
        let shutdown = Shutdown::new(Duration::from_secs(60));
        let (tasks, shared) = (shutdown.clone(), Arc::clone(&state));
        shutdown.spawn("fake", async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn("connection", connection(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, shutdown }
    }

    /// Where its API begins.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A look at, or a change of, what was asked and will be answered.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside")
    }

    /// Requests for images so far: each would have been paid for.
    pub fn paid(&self) -> usize {
        self.state().requests.iter().filter(|asked| asked.path.starts_with("/v1/images/")).count()
    }
}

impl Drop for FakeOpenAi {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

async fn connection(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(asked) = read(&mut stream).await else { return };
    let reply = {
        let mut state = state.lock().expect("no test panics inside");
        let reply = if asked.path.starts_with("/v1/images/") {
            state.replies.pop_front()
        } else {
            state.files.get(&asked.path).cloned()
        };
        state.requests.push(asked);
        reply.unwrap_or_else(|| {
            Reply::json(404, r#"{"error":{"message":"no such thing","type":"invalid_request_error"}}"#)
        })
    };
    // The other side may be gone; that is part of some tests.
    drop(write(&mut stream, reply).await);
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
    let header = |wanted: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned()).next()
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = &bytes[end + 4..];
    let boundary = header("content-type").and_then(|kind| Some(kind.split_once("boundary=")?.1.to_owned()));
    Some(Asked {
        path: head.split(' ').nth(1)?.to_owned(),
        authorization: header("authorization"),
        body: serde_json::from_slice(body).unwrap_or_default(),
        parts: boundary.map(|boundary| parts(body, &boundary)).unwrap_or_default(),
    })
}

/// The parts of a form (RFC 7578).
fn parts(body: &[u8], boundary: &str) -> Vec<Part> {
    let mark = format!("--{boundary}");
    let starts: Vec<_> = (0..body.len()).filter(|at| body[*at..].starts_with(mark.as_bytes())).collect();
    let between = starts.windows(2).map(|pair| &body[pair[0] + mark.len() + 2..pair[1] - 2]);
    between
        .map(|part| {
            let end = part.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
            let head = String::from_utf8_lossy(&part[..end]).into_owned();
            let quoted = head.split_once("name=\"").and_then(|(_, rest)| rest.split_once('"'));
            let kind = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
            });
            Part {
                name: quoted.expect("a name").0.to_owned(),
                content_type: kind,
                body: part[end + 4..].to_vec(),
            }
        })
        .collect()
}

async fn write(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Answer { status, headers, body } => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!(
                "HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            stream.shutdown().await
        }
        Reply::Cut { body, after } => {
            head(stream, body.len()).await?;
            stream.write_all(&body[..after]).await?;
            stream.flush().await?;
            stream.set_zero_linger()
        }
        Reply::Drip { body, pause } => {
            head(stream, body.len()).await?;
            for byte in body {
                stream.write_all(&[byte]).await?;
                tokio::time::timeout(pause, std::future::pending::<()>()).await.unwrap_or_default();
            }
            Ok(())
        }
        Reply::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{\"data\":[{\"b64_json\":\"")
                .await?;
            loop {
                stream.write_all(&[b'A'; 4096]).await?;
            }
        }
        Reply::Reset => stream.set_zero_linger(),
        Reply::Hang => std::future::pending().await,
    }
}

async fn head(stream: &mut TcpStream, length: usize) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}
