//! One queue: messages that wait, messages that wait for a time, and who must hear when one is done.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use imagioo_types::{Clock as _, SystemClock};

use super::{dead_letters::DeadLetters, lock};
use crate::{
    dead_letter::DeadLetter,
    error::PublishError,
    instruments,
    message::Message,
    topology::{DELIVERY_LIMIT, OFFER_LIFETIME, OFFERS_PER_DEPLOYMENT},
};

/// Longer delays are cut to this one: what has to wait for days belongs in a table.
const LONGEST_DELAY: Duration = Duration::from_hours(24);

/// How much and how long a queue holds.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    capacity: usize,
    lifetime: Option<Duration>,
}

impl Bounds {
    /// Events are bounded by their producers, who wait for the confirm, and never expire.
    pub(super) const EVENTS: Self = Self { capacity: usize::MAX, lifetime: None };
    /// See [`OFFER_LIFETIME`] and [`OFFERS_PER_DEPLOYMENT`].
    pub(super) const OFFERS: Self = Self { capacity: OFFERS_PER_DEPLOYMENT, lifetime: Some(OFFER_LIFETIME) };
}

/// A message in this queue, waiting or handed out.
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    /// Deliveries so far, the present or next one included.
    pub(super) attempt: u32,
    /// `traceparent` of the delivery before.
    pub(super) previous: Option<String>,
    expires: Option<Instant>,
    keeper: Keeper,
}

/// Who keeps a message until this queue is done with it.
enum Keeper {
    /// Nobody: it may be lost.
    Nobody,
    /// Its publisher, who waits to hear.
    Publisher(oneshot::Sender<()>),
    /// The dead letters, from which it was put back.
    DeadLetters(Box<DeadLetter>),
}

impl Entry {
    fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

pub(super) struct Backlog {
    name: Arc<str>,
    bounds: Bounds,
    waiting: Mutex<Waiting>,
    changed: Notify,
    dead_letters: Arc<DeadLetters>,
}

#[derive(Default)]
struct Waiting {
    ready: VecDeque<Entry>,
    /// By due time; the number keeps entries of one instant apart.
    delayed: BTreeMap<(Instant, u64), Entry>,
    delayed_so_far: u64,
}

impl Backlog {
    pub(super) fn new(name: &str, bounds: Bounds, dead_letters: Arc<DeadLetters>) -> Self {
        Self { name: name.into(), bounds, waiting: Mutex::default(), changed: Notify::new(), dead_letters }
    }

    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Queues an event; the receiver resolves when it has been acknowledged or given up.
    pub(super) fn publish(&self, message: Arc<Message>) -> oneshot::Receiver<()> {
        let (confirm, confirmed) = oneshot::channel();
        let keeper = Keeper::Publisher(confirm);
        let entry = Entry { message, attempt: 1, previous: None, expires: None, keeper };
        self.change(|waiting| waiting.ready.push_back(entry));
        confirmed
    }

    /// Queues an event that was given up before, as if it had never been delivered.
    pub(super) fn put_back_letter(&self, letter: DeadLetter) {
        let message = Arc::new(letter.message.clone());
        let keeper = Keeper::DeadLetters(Box::new(letter));
        let entry = Entry { message, attempt: 1, previous: None, expires: None, keeper };
        self.change(|waiting| waiting.ready.push_back(entry));
    }

    /// Tells whoever keeps the message that this queue is done with it.
    pub(super) fn confirm(&self, entry: Entry) {
        match entry.keeper {
            Keeper::Nobody => {}
            // An error says that the publisher no longer waits; it will publish again.
            Keeper::Publisher(confirm) => drop(confirm.send(())),
            Keeper::DeadLetters(letter) => self.dead_letters.remove_file(&letter),
        }
    }

    /// Queues an offer, if there is room after the expired ones are gone.
    pub(super) fn offer(&self, message: Arc<Message>) -> Result<(), PublishError> {
        let now = Instant::now();
        let expires = self.bounds.lifetime.map(|lifetime| now + lifetime);
        let entry = Entry { message, attempt: 1, previous: None, expires, keeper: Keeper::Nobody };
        self.change(|waiting| {
            if waiting.len() >= self.bounds.capacity {
                self.drop_expired(waiting, now);
            }
            if waiting.len() >= self.bounds.capacity {
                return Err(PublishError::Full { queue: self.name.to_string() });
            }
            waiting.ready.push_back(entry);
            Ok(())
        })
    }

    /// Waits for a message that may be delivered now. Safe to cancel.
    pub(super) async fn take(&self) -> Entry {
        loop {
            // Made before the look, so that a change between look and wait is not missed.
            let changed = self.changed.notified();
            match self.pop() {
                Next::Ready(entry) => return entry,
                Next::Due(due) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
                Next::Nothing => changed.await,
            }
        }
    }

    fn pop(&self) -> Next {
        let now = Instant::now();
        let mut waiting = lock(&self.waiting);
        waiting.release_due(now);
        let mut expired = 0;
        let next = loop {
            match waiting.ready.pop_front() {
                Some(entry) if entry.has_expired(now) => expired += 1,
                Some(entry) => break Next::Ready(entry),
                None => break waiting.first_due().map_or(Next::Nothing, Next::Due),
            }
        };
        self.count_expired(expired);
        instruments::depth(&self.name, waiting.len());
        next
    }

    /// Puts a message back that its consumer dropped without an answer: first in line, at once.
    pub(super) fn put_back(&self, entry: Entry, previous: Option<String>) {
        if let Some(entry) = self.next_attempt(entry, previous, "the consumer went away without an answer") {
            self.change(|waiting| waiting.ready.push_front(entry));
        }
    }

    /// Puts a message back that may be delivered again when `after` has passed.
    pub(super) fn put_back_later(
        &self,
        entry: Entry,
        previous: Option<String>,
        after: Duration,
        reason: &str,
    ) {
        if let Some(entry) = self.next_attempt(entry, previous, reason) {
            let due = Instant::now() + after.min(LONGEST_DELAY);
            self.change(|waiting| {
                waiting.delayed_so_far += 1;
                waiting.delayed.insert((due, waiting.delayed_so_far), entry);
            });
        }
    }

    /// Sets a message aside for good; its publisher need not keep it either.
    pub(super) fn give_up(&self, entry: Entry, reason: String) {
        let message = Message::clone(&entry.message);
        let queue = self.name.to_string();
        let given_up_at = Some(SystemClock.now());
        self.dead_letters.add(DeadLetter { queue, message, attempts: entry.attempt, reason, given_up_at });
        if !matches!(entry.keeper, Keeper::DeadLetters(_)) {
            self.confirm(entry);
        }
    }

    fn next_attempt(&self, mut entry: Entry, previous: Option<String>, reason: &str) -> Option<Entry> {
        if entry.attempt >= DELIVERY_LIMIT {
            let reason = format!("given up after {} deliveries: {reason}", entry.attempt);
            self.give_up(entry, reason);
            return None;
        }
        entry.attempt += 1;
        entry.previous = previous;
        Some(entry)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut waiting = lock(&self.waiting);
        let result = change(&mut waiting);
        instruments::depth(&self.name, waiting.len());
        drop(waiting);
        self.changed.notify_waiters();
        result
    }

    fn drop_expired(&self, waiting: &mut Waiting, now: Instant) {
        let before = waiting.ready.len();
        waiting.ready.retain(|entry| !entry.has_expired(now));
        self.count_expired(before - waiting.ready.len());
    }

    fn count_expired(&self, offers: usize) {
        if offers > 0 {
            instruments::expired(&self.name, offers as u64);
        }
    }
}

enum Next {
    Ready(Entry),
    Due(Instant),
    Nothing,
}

impl Waiting {
    fn len(&self) -> usize {
        self.ready.len() + self.delayed.len()
    }

    fn first_due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((due, _), _)| *due)
    }

    fn release_due(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry()
            && first.key().0 <= now
        {
            self.ready.push_back(first.remove());
        }
    }
}
