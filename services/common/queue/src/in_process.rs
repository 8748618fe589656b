//! The transport inside one process: queues in memory, made durable by the producer's outbox.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, future, stream::BoxStream};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use crate::{
    dead_letter::{DeadLetter, Selection},
    error::{PublishError, QueueError},
    instruments,
    message::{Hint, Message},
    queue::{Source, Subscription},
    topology,
};

mod backlog;
mod consumer;
mod dead_letters;
mod folder;

use backlog::{Backlog, Bounds};
pub(crate) use consumer::{Consumer, Receipt};
use dead_letters::DeadLetters;
use folder::Folder;

pub(crate) struct InProcess {
    backlogs: Mutex<HashMap<String, Arc<Backlog>>>,
    hints: Mutex<HashMap<&'static str, broadcast::Sender<Bytes>>>,
    dead_letters: Arc<DeadLetters>,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        Self::keeping(DeadLetters::default())
    }

    /// With dead letters in a folder.
    pub(crate) fn at(folder: &Path) -> Result<Self, QueueError> {
        Ok(Self::keeping(DeadLetters::at(Folder::open(folder)?)?))
    }

    fn keeping(dead_letters: DeadLetters) -> Self {
        Self { backlogs: Mutex::default(), hints: Mutex::default(), dead_letters: Arc::new(dead_letters) }
    }

    pub(crate) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let Some(queues) = topology::queues_of(&message.name) else {
            return Err(PublishError::Unroutable { name: message.name });
        };
        let message = Arc::new(message);
        let confirms: Vec<_> =
            queues.iter().map(|queue| self.events(queue).publish(Arc::clone(&message))).collect();
        match future::try_join_all(confirms).await {
            Ok(_) => Ok(()),
            Err(_) => Err(PublishError::Unconfirmed { name: message.name.clone() }),
        }
    }

    pub(crate) fn offer(&self, deployment: &str, message: Message) -> Result<(), PublishError> {
        self.offers(deployment).offer(Arc::new(message))
    }

    pub(crate) fn consume(&self, subscription: &Subscription) -> Result<Consumer, QueueError> {
        subscription.check()?;
        let backlog = match &subscription.source {
            Source::Queue(name) => self.events(name),
            Source::Deployment(name) => self.offers(name),
        };
        Ok(Consumer::new(backlog, subscription.prefetch))
    }

    pub(crate) fn hint<H: Hint>(&self, hint: &H) {
        let listeners = lock(&self.hints).get(H::NAME).cloned();
        if let Some(listeners) = listeners {
            // An error says that nobody listens any more.
            let _listeners = listeners.send(hint.encode_to_vec().into());
        }
    }

    pub(crate) fn listen<H: Hint>(&self) -> BoxStream<'static, H> {
        let receiver = lock(&self.hints)
            .entry(H::NAME)
            .or_insert_with(|| broadcast::Sender::new(topology::HINTS_PER_LISTENER))
            .subscribe();
        BroadcastStream::new(receiver).filter_map(|hint| future::ready(decode_hint(hint))).boxed()
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.list()
    }

    /// A letter's file goes when its message was worked off: until then a crash brings it back.
    pub(crate) fn replay(&self, selection: &Selection) -> Vec<DeadLetter> {
        let letters = self.dead_letters.take(selection);
        for letter in letters.iter().cloned() {
            match topology::deployment_of(&letter.queue) {
                None => self.events(&letter.queue).put_back_letter(letter),
                Some(deployment) => {
                    // The row is the truth: an offer that finds no room is made again by the dispatcher.
                    drop(self.offer(deployment, letter.message.clone()));
                    self.dead_letters.remove_file(&letter);
                }
            }
        }
        letters
    }

    pub(crate) fn forget(&self, selection: &Selection) -> Vec<DeadLetter> {
        let letters = self.dead_letters.take(selection);
        letters.iter().for_each(|letter| self.dead_letters.remove_file(letter));
        letters
    }

    fn events(&self, queue: &str) -> Arc<Backlog> {
        self.backlog(queue.to_owned(), Bounds::EVENTS)
    }

    fn offers(&self, deployment: &str) -> Arc<Backlog> {
        self.backlog(topology::deployment_queue(deployment), Bounds::OFFERS)
    }

    fn backlog(&self, queue: String, bounds: Bounds) -> Arc<Backlog> {
        let mut backlogs = lock(&self.backlogs);
        let backlog = backlogs.entry(queue).or_insert_with_key(|queue| {
            Arc::new(Backlog::new(queue, bounds, Arc::clone(&self.dead_letters)))
        });
        Arc::clone(backlog)
    }
}

fn decode_hint<H: Hint>(hint: Result<Bytes, BroadcastStreamRecvError>) -> Option<H> {
    match hint {
        Ok(body) => H::decode(body).ok(),
        Err(BroadcastStreamRecvError::Lagged(skipped)) => {
            instruments::hints_skipped(H::NAME, skipped);
            None
        }
    }
}

/// No code panics while it holds one of these locks; a poisoned one is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
