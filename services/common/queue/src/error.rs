//! What can go wrong between a producer and a consumer.

/// Any error of a collaborator, kept as the source of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The transport did not take responsibility for a message: keep it and publish it again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound to messages of this name.
    #[error("no queue is bound to `{name}`; add it to the topology")]
    Unroutable {
        /// Name of the message.
        name: String,
    },
    /// The queue holds as much as it may.
    #[error("queue `{queue}` is full; offer again when its consumers have caught up")]
    Full {
        /// Name of the queue.
        queue: String,
    },
    /// The broker cannot be reached, or asks publishers to wait.
    #[error("the broker takes no messages now; publish `{name}` again later")]
    Unavailable {
        /// Name of the message.
        name: String,
        /// What stands in the way.
        #[source]
        source: BoxError,
    },
    /// The transport went away before it confirmed.
    #[error("the publish of `{name}` was not confirmed; publish it again")]
    Unconfirmed {
        /// Name of the message.
        name: String,
    },
}

/// A subscription that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The topology has no such queue.
    #[error("there is no queue `{name}` in the topology")]
    UnknownQueue {
        /// The name that was asked for.
        name: String,
    },
    /// A prefetch of zero would take no message (or, to some brokers, all of them).
    #[error("the prefetch of a subscription is at least 1")]
    NoPrefetch,
    /// The configuration of a broker makes no sense.
    #[error("wrong configuration of the queue: {field}")]
    Config {
        /// The setting and what it should be.
        field: &'static str,
    },
    /// The broker cannot be asked.
    #[error("the broker does not answer; try again later")]
    Unavailable {
        /// What stands in the way.
        #[source]
        source: BoxError,
    },
}

/// A body that is not the message its consumer expects.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Another kind of message.
    #[error("expected `{expected}`, found `{found}`")]
    OtherMessage {
        /// The name the consumer expects.
        expected: &'static str,
        /// The name on the message.
        found: String,
    },
    /// Bytes that are not protobuf of this message.
    #[error("the body is not a valid `{name}`")]
    Malformed {
        /// Name of the message.
        name: &'static str,
        /// What the decoder found.
        #[source]
        source: prost::DecodeError,
    },
}
