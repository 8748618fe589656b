//! Bodies of requests: counted while they arrive, and not waited for without end.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{HeaderMap, header};
use imagioo_rpc::{Code, RpcError};

/// Longest time without a byte.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the rest of a body that is too large is read and thrown away: a client that is still sending may not see an
/// answer otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body of at most so many bytes, piece by piece.
pub(super) struct Limited {
    stream: BodyDataStream,
    most: u64,
    read: u64,
}

impl Limited {
    /// Refuses at once what says that it is too large.
    pub(super) async fn of(headers: &HeaderMap, body: Body, most: u64) -> Result<Self, RpcError> {
        let mut limited = Self { stream: body.into_data_stream(), most, read: 0 };
        let told =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if told.is_some_and(|told| told > most) {
            return Err(limited.too_large().await);
        }
        Ok(limited)
    }

    /// The next piece; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RpcError> {
        let broken =
            || RpcError::new(Code::InvalidArgument, "the body of the request broke off: send it again");
        let piece = tokio::time::timeout(SILENCE, self.stream.next()).await.map_err(|_| broken())?;
        let Some(piece) = piece else { return Ok(None) };
        let piece = piece.map_err(|error| broken().caused_by(error))?;
        self.read += piece.len() as u64;
        if self.read > self.most {
            return Err(self.too_large().await);
        }
        Ok(Some(piece))
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Bytes, RpcError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    async fn too_large(&mut self) -> RpcError {
        let end = self.most.saturating_mul(2).saturating_add(1 << 20);
        let rest = async {
            while let Some(Ok(piece)) = self.stream.next().await {
                self.read += piece.len() as u64;
                if self.read > end {
                    return;
                }
            }
        };
        // Whether it was read to its end or not, the answer is the same.
        let _ = tokio::time::timeout(PATIENCE, rest).await;
        RpcError::new(Code::TooLarge, format!("the request is too large: send at most {} bytes", self.most))
    }
}
