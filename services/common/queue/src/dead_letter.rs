//! Messages that were given up, and which of them are meant.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{instruments, message::Message};

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue it came from.
    pub queue: String,
    /// The message.
    pub message: Message,
    /// How often it was delivered.
    pub attempts: u32,
    /// Why it was given up.
    pub reason: String,
    /// When, to the second; nothing when the broker gave it up by itself.
    pub given_up_at: Option<OffsetDateTime>,
}

impl DeadLetter {
    /// Tells operators; whoever gives a message up does so once.
    pub(crate) fn report(&self) {
        tracing::error!(
            queue = %self.queue,
            name = %self.message.name,
            message_id = %self.message.id,
            attempts = self.attempts,
            reason = %self.reason,
            "message dead-lettered"
        );
        instruments::dead_letter(&self.queue);
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All there are.
    All,
    /// Those of one queue.
    Queue(String),
    /// The message with this identity; it may have been given up in several queues.
    Message(Uuid),
}

impl Selection {
    pub(crate) fn takes(&self, letter: &DeadLetter) -> bool {
        match self {
            Self::All => true,
            Self::Queue(queue) => *queue == letter.queue,
            Self::Message(id) => *id == letter.message.id,
        }
    }
}
