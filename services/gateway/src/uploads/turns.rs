//! One picture of each user is read at a time, so that nobody holds up the pictures of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use imagioo_types::UserId;
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// Whose turn it is. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<UserId, Arc<Queue<()>>>>>);

/// A user's turn, or a place in the queue for it; given up when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    user: UserId,
    turns: Turns,
    queue: Option<Arc<Queue<()>>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until no other picture of this user is being read.
    pub(super) async fn take(&self, user: UserId) -> Turn {
        let queue = Arc::clone(self.queues().entry(user).or_default());
        let mut turn = Turn { user, turns: self.clone(), queue: Some(Arc::clone(&queue)), held: None };
        turn.held = Some(queue.lock_owned().await);
        turn
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Queue<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        (self.held, self.queue) = (None, None);
        if queues.get(&self.user).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.user);
        }
    }
}

/// A file whose reading takes up its owner's turn: whoever is still reading it when the call is gone keeps the turn.
struct Taken {
    file: Bytes,
    _turn: Turn,
}

impl AsRef<[u8]> for Taken {
    fn as_ref(&self) -> &[u8] {
        &self.file
    }
}

impl Turn {
    /// The file; with its last copy the turn ends.
    pub(super) fn reads(self, file: Bytes) -> Bytes {
        Bytes::from_owner(Taken { file, _turn: self })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_users_pictures_are_read_one_after_the_other_and_those_of_others_beside_them() {
        let (turns, ada, bob) = (Turns::default(), UserId::generate(), UserId::generate());
        let reading = turns.take(ada).await.reads(Bytes::from_static(b"fox"));
        assert_eq!(reading, b"fox".as_slice());
        let mut next = Box::pin(turns.take(ada));
        assert!((&mut next).now_or_never().is_none(), "hers is being read");
        turns.take(bob).now_or_never().expect("his own turn");
        let copy = reading.clone();
        drop(reading);
        assert!((&mut next).now_or_never().is_none(), "it is still being read");
        drop(copy);
        drop(next.now_or_never().expect("the next one"));
        assert!(turns.queues().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let (turns, ada) = (Turns::default(), UserId::generate());
        let first = turns.take(ada).await;
        let mut waiting = Box::pin(turns.take(ada));
        assert!((&mut waiting).now_or_never().is_none());
        drop(first);
        drop(waiting);
        assert!(turns.queues().is_empty());
    }
}
