//! A message as properties, headers and a body, and back.

use std::sync::Arc;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::topology::{Topology, insert, insert_text};
use crate::{dead_letter::DeadLetter, delivery::Handover, message::Message};

/// Survives a broker's restart; 1 does not.
const PERSISTENT: u8 = 2;
const CONTENT_TYPE: &str = "application/protobuf";

const TRACEPARENT: &str = "traceparent";
/// Deliveries before this copy of the message was published.
const ATTEMPTS: &str = "x-imagioo-attempts";
/// `traceparent` of the delivery before.
const PREVIOUS: &str = "x-imagioo-previous";
/// Why the message was given up, and the queue it came from.
const REASON: &str = "x-imagioo-reason";
const QUEUE: &str = "x-imagioo-queue";
/// Deliveries of this copy that came back, counted by quorum queues.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// Set by the broker on what it dead-letters by itself.
const FIRST_DEATH_REASON: &str = "x-first-death-reason";
const FIRST_DEATH_QUEUE: &str = "x-first-death-queue";

/// A message that never travelled.
pub(super) fn first(message: &Message) -> BasicProperties {
    properties(message, headers(message))
}

/// A message that is to be delivered again, after `attempts` deliveries.
pub(super) fn again(message: &Message, attempts: u32, previous: Option<&str>) -> BasicProperties {
    let mut headers = headers(message);
    insert(&mut headers, ATTEMPTS, i64::from(attempts));
    if let Some(previous) = previous {
        insert_text(&mut headers, PREVIOUS, previous);
    }
    properties(message, headers)
}

/// A message that is given up.
pub(super) fn dead(letter: &DeadLetter) -> BasicProperties {
    let mut headers = headers(&letter.message);
    insert(&mut headers, ATTEMPTS, i64::from(letter.attempts));
    insert_text(&mut headers, QUEUE, &letter.queue);
    insert_text(&mut headers, REASON, &letter.reason);
    let properties = properties(&letter.message, headers);
    match letter.given_up_at.and_then(|at| u64::try_from(at.unix_timestamp()).ok()) {
        Some(seconds) => properties.with_timestamp(seconds),
        None => properties,
    }
}

/// A hint: lost with the broker, by intent.
pub(super) fn transient() -> BasicProperties {
    BasicProperties::default().with_content_type(CONTENT_TYPE.into()).with_delivery_mode(1)
}

/// Reads a delivery from the queue that people know as `queue`.
pub(super) fn open(delivery: &mut Delivery, queue: &Arc<str>) -> Handover {
    let previous = text(delivery, PREVIOUS);
    let returns = number(delivery, DELIVERY_COUNT).max(u32::from(delivery.redelivered));
    let attempt = number(delivery, ATTEMPTS).saturating_add(returns).saturating_add(1);
    Handover { message: Arc::new(message(delivery)), queue: Arc::clone(queue), attempt, previous }
}

/// Reads a dead letter, whether a consumer or the broker wrote it.
pub(super) fn open_dead(delivery: &mut Delivery, topology: &Topology) -> DeadLetter {
    let attempts = number(delivery, ATTEMPTS);
    let (queue, reason) = match (text(delivery, QUEUE), text(delivery, REASON)) {
        (Some(queue), Some(reason)) => (queue, reason),
        _ => {
            let queue = text(delivery, FIRST_DEATH_QUEUE).unwrap_or_default();
            let reason = text(delivery, FIRST_DEATH_REASON).unwrap_or_else(|| "unknown".to_owned());
            (topology.short(&queue), format!("given up by the broker: {reason}"))
        }
    };
    let seconds = delivery.properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
    let given_up_at = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    DeadLetter { queue, message: message(delivery), attempts, reason, given_up_at }
}

fn headers(message: &Message) -> FieldTable {
    let mut headers = FieldTable::default();
    if let Some(trace) = &message.trace {
        insert_text(&mut headers, TRACEPARENT, trace);
    }
    headers
}

fn properties(message: &Message, headers: FieldTable) -> BasicProperties {
    BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.id.to_string().as_str().into())
        .with_type(message.name.as_str().into())
        .with_headers(headers)
}

/// A foreign message without name or identity becomes one that no consumer can decode, and so a dead letter.
fn message(delivery: &mut Delivery) -> Message {
    let properties = &delivery.properties;
    let id = properties.message_id().as_ref().and_then(|id| Uuid::try_parse(id.as_str()).ok());
    let name = properties.kind().as_ref().map(ToString::to_string);
    Message {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        trace: text(delivery, TRACEPARENT),
        body: std::mem::take(&mut delivery.data).into(),
    }
}

fn header<'a>(delivery: &'a Delivery, key: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref().and_then(|headers| headers.inner().get(key))
}

fn text(delivery: &Delivery, key: &str) -> Option<String> {
    match header(delivery, key)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Brokers choose the width of a number by its value.
fn number(delivery: &Delivery, key: &str) -> u32 {
    let number = match header(delivery, key) {
        Some(AMQPValue::LongLongInt(number)) => *number,
        Some(AMQPValue::LongInt(number)) => i64::from(*number),
        Some(AMQPValue::LongUInt(number)) => i64::from(*number),
        Some(AMQPValue::ShortInt(number)) => i64::from(*number),
        Some(AMQPValue::ShortUInt(number)) => i64::from(*number),
        Some(AMQPValue::ShortShortInt(number)) => i64::from(*number),
        Some(AMQPValue::ShortShortUInt(number)) => i64::from(*number),
        _ => 0,
    };
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use imagioo_proto::jobs::v1::GenerationSettled;

    use super::*;

    fn delivered(properties: BasicProperties, body: &[u8], redelivered: bool) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "".into(), redelivered, body.to_vec());
        delivery.properties = properties;
        delivery
    }

    fn traced() -> Message {
        let trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
        Message { trace, ..Message::of(&GenerationSettled { generation: "a".into(), ..Default::default() }) }
    }

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let message = traced();
        let handover = open(&mut delivered(first(&message), &message.body, false), &"q".into());
        assert_eq!((handover.message.as_ref(), handover.attempt, handover.previous), (&message, 1, None));
    }

    #[test]
    fn attempts_are_those_of_earlier_copies_and_the_returns_of_this_one() {
        let message = traced();
        let mut returned = delivered(again(&message, 3, Some("00-1")), &message.body, true);
        assert_eq!(open(&mut returned, &"q".into()).attempt, 5);
        let mut headers = returned.properties.headers().clone().unwrap();
        insert(&mut headers, DELIVERY_COUNT, 4);
        returned.properties = returned.properties.with_headers(headers);
        let handover = open(&mut returned, &"q".into());
        assert_eq!((handover.attempt, handover.previous.as_deref()), (8, Some("00-1")));
    }

    #[test]
    fn a_foreign_message_is_one_that_nobody_can_decode() {
        let handover = open(&mut delivered(BasicProperties::default(), b"hello", false), &"q".into());
        assert!(handover.message.decode::<GenerationSettled>().is_err());
    }
}
