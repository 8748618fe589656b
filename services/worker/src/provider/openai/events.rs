//! Server-sent events as they arrive. An event may hold a picture of megabytes: each byte is looked at once.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};

use super::stream::{Broken, nonsense};
use crate::provider::CallError;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; empty when it has none.
    pub(super) name: String,
    /// Its lines of data, joined.
    pub(super) data: String,
}

/// The events of a stream whose lines end with a line feed.
pub(super) struct Events<S> {
    bytes: S,
    buffer: BytesMut,
    /// How much of the buffer holds no end of a line.
    seen: usize,
    name: String,
    data: Option<String>,
}

impl<S: Stream<Item = Result<Bytes, CallError>> + Unpin> Events<S> {
    pub(super) fn of(bytes: S) -> Self {
        Self { bytes, buffer: BytesMut::new(), seen: 0, name: String::new(), data: None }
    }

    /// The next event; none at the end. One that the end cuts short counts as far as its last whole line.
    ///
    /// # Errors
    /// The stream breaks off, or holds what is no text.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            while let Some(line) = self.line() {
                if line.is_empty() {
                    if let Some(event) = self.take() {
                        return Ok(Some(event));
                    }
                } else {
                    self.read(&line)?;
                }
            }
            match self.bytes.next().await.transpose()? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(self.take()),
            }
        }
    }

    /// The next whole line without its end.
    fn line(&mut self) -> Option<Bytes> {
        let Some(end) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') else {
            self.seen = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.seen + end + 1).freeze();
        self.seen = 0;
        let ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
        line.truncate(line.len() - ending);
        Some(line)
    }

    /// Comments and other fields than these two say nothing here.
    fn read(&mut self, line: &[u8]) -> Result<(), CallError> {
        let line = std::str::from_utf8(line).map_err(|_| nonsense(Broken::NotText))?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// What was read since the last event, if it has data.
    fn take(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        self.data.take().map(|data| Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::iter;

    use super::*;

    async fn events(text: &str, piece: usize) -> Vec<(String, String)> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let (mut events, mut found) = (Events::of(iter(pieces)), Vec::new());
        while let Some(event) = events.next().await.expect("text") {
            found.push((event.name, event.data));
        }
        found
    }

    #[tokio::test]
    async fn events_are_found_however_they_are_cut() {
        let text = ": hello\n\nevent: one\ndata: a\ndata:b\nid: 7\n\ndata\n\nevent: none\n\r\nevent:two\r\ndata: é:1\r\n\r\n";
        let expected = [("one", "a\nb"), ("", ""), ("two", "é:1")];
        for piece in [1, 2, 3, 7, 1000] {
            let found = events(text, piece).await;
            let found: Vec<_> = found.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
            assert_eq!(found, expected, "{piece}");
        }
    }

    #[tokio::test]
    async fn what_the_end_cuts_short_counts_as_far_as_its_last_whole_line() {
        assert_eq!(events("data: a\ndata: b", 4).await, [(String::new(), "a".to_owned())]);
        assert_eq!(events("data: a", 4).await, []);
    }

    #[tokio::test]
    async fn what_is_no_text_is_refused() {
        let mut broken = Events::of(iter([Ok(Bytes::from_static(b"data: \xff\n\n"))]));
        assert!(broken.next().await.is_err());
    }
}
