//! What travels: an encoded message with its identity and the trace it belongs to.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use crate::{error::DecodeError, trace};

/// A protobuf message that may travel through a queue.
pub trait Payload: prost::Message + Default + 'static {
    /// Full protobuf name, such as `imagioo.jobs.v1.GenerationFinished`.
    const NAME: &'static str;
}

/// A durable message, delivered at least once to every queue bound to its type.
pub trait Event: Payload {
    /// Names of the queues, one per consuming service and purpose.
    const QUEUES: &'static [&'static str];
}

/// A transient message for everyone who listens at this moment.
pub trait Hint: Payload {}

/// One encoded message; what an outbox row holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Identity for consumers that remember what they have seen (UUIDv7).
    pub id: Uuid,
    /// Full protobuf name; decides the queues.
    pub name: String,
    /// Protobuf encoding.
    pub body: Bytes,
    /// W3C `traceparent` of the producer, if it was traced.
    pub trace: Option<String>,
}

impl Message {
    /// Encodes an event with a new identity, as part of the current trace.
    #[must_use]
    pub fn of<E: Event>(event: &E) -> Self {
        Self::encode(event)
    }

    pub(crate) fn encode<P: Payload>(payload: &P) -> Self {
        Self {
            id: Uuid::now_v7(),
            name: P::NAME.to_owned(),
            body: payload.encode_to_vec().into(),
            trace: trace::current(),
        }
    }

    /// Reads the body back.
    ///
    /// # Errors
    /// [`DecodeError`] if this is another message or its body is damaged; repeating cannot help.
    pub fn decode<P: Payload>(&self) -> Result<P, DecodeError> {
        if self.name != P::NAME {
            return Err(DecodeError::OtherMessage { expected: P::NAME, found: self.name.clone() });
        }
        P::decode(self.body.clone()).map_err(|source| DecodeError::Malformed { name: P::NAME, source })
    }
}

/// Shows the size of the body instead of the body: what it says is no matter for logs.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("bytes", &self.body.len())
            .field("trace", &self.trace)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use imagioo_proto::jobs::v1::{GenerationFinished, GenerationSettled};

    use super::*;

    #[test]
    fn a_message_reads_back_as_the_event_it_was_made_of() {
        let event =
            GenerationFinished { generation: "generations/gen_1".into(), attempt: 2, ..Default::default() };
        assert_eq!(Message::of(&event).decode::<GenerationFinished>().unwrap(), event);
    }

    #[test]
    fn a_message_of_another_kind_is_refused() {
        let message = Message::of(&GenerationFinished::default());
        assert!(matches!(message.decode::<GenerationSettled>(), Err(DecodeError::OtherMessage { .. })));
    }

    #[test]
    fn the_body_does_not_show_in_logs() {
        let event = GenerationFinished { owner: "users/usr_canary".into(), ..Default::default() };
        assert!(!format!("{:?}", Message::of(&event)).contains("canary"));
    }
}
