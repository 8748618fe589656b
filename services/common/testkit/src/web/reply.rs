//! Answers, good and bad.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// One answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A whole answer.
    Answer {
        /// The status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// What is sent.
        body: Vec<u8>,
    },
    /// The beginning of an answer, then a reset.
    Cut {
        /// The whole that is announced.
        body: Vec<u8>,
        /// Bytes that are sent of it.
        after: usize,
    },
    /// An answer that comes byte by byte.
    Drip {
        /// What is sent.
        body: Vec<u8>,
        /// The time between two bytes.
        pause: Duration,
    },
    /// An answer without a length that comes in pieces.
    Pieces {
        /// Its type.
        content_type: &'static str,
        /// What is sent.
        pieces: Vec<Vec<u8>>,
        /// The time after each piece.
        pause: Duration,
    },
    /// An answer without an end or a length, which begins as given.
    Endless(&'static str),
    /// The request is read, then the connection is reset.
    Reset,
    /// The request is read, then nothing.
    Hang,
    /// Another answer, when the test says so.
    When(Arc<Notify>, Box<Reply>),
    /// Another answer, after a while.
    Late(Duration, Box<Reply>),
}

impl Reply {
    /// JSON under a status.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", body.as_bytes())
    }

    /// A file of some type.
    #[must_use]
    pub fn file(content_type: &str, body: &[u8]) -> Self {
        Self::typed(200, content_type, body)
    }

    /// What a server says of a path it does not know.
    #[must_use]
    pub fn unknown() -> Self {
        Self::json(404, r#"{"error":{"message":"no such thing","type":"invalid_request_error"}}"#)
    }

    /// A body of some type under a status.
    #[must_use]
    pub fn typed(status: u16, content_type: &str, body: &[u8]) -> Self {
        Self::Answer { status, headers: vec![("content-type", content_type.to_owned())], body: body.to_vec() }
    }

    /// The same under another status.
    #[must_use]
    pub fn under(self, status: u16) -> Self {
        match self {
            Self::Answer { headers, body, .. } => Self::Answer { status, headers, body },
            other => other,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.to_owned()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }

    pub(super) async fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::Answer { status, headers, body } => {
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
            Self::Cut { body, after } => {
                announce(stream, body.len()).await?;
                stream.write_all(&body[..after]).await?;
                stream.flush().await?;
                stream.set_zero_linger()
            }
            Self::Drip { body, pause } => {
                announce(stream, body.len()).await?;
                for byte in body {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
            Self::Pieces { content_type, pieces, pause } => {
                let head =
                    format!("HTTP/1.1 200 x\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                for piece in pieces {
                    stream.write_all(&piece).await?;
                    tokio::time::sleep(pause).await;
                }
                stream.shutdown().await
            }
            Self::Endless(beginning) => {
                let head = format!("HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{beginning}");
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(&[b'A'; 4096]).await?;
                }
            }
            Self::Reset => stream.set_zero_linger(),
            Self::Hang => std::future::pending().await,
            Self::When(now, reply) => {
                now.notified().await;
                Box::pin(reply.write(stream)).await
            }
            Self::Late(wait, reply) => {
                tokio::time::sleep(wait).await;
                Box::pin(reply.write(stream)).await
            }
        }
    }
}

async fn announce(stream: &mut TcpStream, length: usize) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}
