//! Who is watching what on this replica, and what they are told.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use imagioo_types::{GenerationId, UserId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Notices that a slow watcher may fall behind before it skips some; rows are re-read, so none is needed for truth.
const BEHIND: usize = 64;

/// What a watcher follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    Generation(GenerationId),
    /// Every generation of a user.
    User(UserId),
}

/// What happened to a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) generation: GenerationId,
    pub(crate) signal: Signal,
}

/// Something a watcher may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The row changed: read it again.
    Changed,
    /// The running attempt came further.
    Progress(Progress),
    /// A picture of an unfinished image.
    Preview(Preview),
}

/// How far a running attempt has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
    pub(crate) stage: String,
    pub(crate) percent: i32,
}

/// A picture of an unfinished image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    pub(crate) index: i32,
    pub(crate) format: i32,
    pub(crate) data: Bytes,
}

/// The watchers of this replica. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    topics: HashMap<Topic, broadcast::Sender<Notice>>,
    /// How many follow on behalf of whom.
    followers: HashMap<UserId, usize>,
}

impl Watchers {
    /// Follows a topic on behalf of a user until the subscription is dropped.
    pub(crate) fn follow(&self, topic: Topic, user: UserId) -> Subscription {
        let mut watched = self.watched();
        *watched.followers.entry(user).or_default() += 1;
        let sender = watched.topics.entry(topic).or_insert_with(|| broadcast::channel(BEHIND).0);
        Subscription { topic, user, notices: Some(sender.subscribe()), watchers: self.clone() }
    }

    /// Tells everybody who follows the generation, or all of its owner's.
    pub(crate) fn tell(&self, owner: Option<UserId>, generation: GenerationId, signal: Signal) {
        let watched = self.watched();
        let topics = [Some(Topic::Generation(generation)), owner.map(Topic::User)];
        let notice = Notice { generation, signal };
        for sender in topics.iter().flatten().filter_map(|topic| watched.topics.get(topic)) {
            // Nobody listens between the last drop and its clean-up: nothing is lost.
            let _ = sender.send(notice.clone());
        }
    }

    /// How many subscriptions a user has.
    pub(crate) fn count(&self, user: UserId) -> usize {
        self.watched().followers.get(&user).copied().unwrap_or_default()
    }

    fn forget(&self, topic: Topic, user: UserId) {
        let mut watched = self.watched();
        if watched.topics.get(&topic).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.topics.remove(&topic);
        }
        if let Entry::Occupied(mut followers) = watched.followers.entry(user) {
            *followers.get_mut() -= 1;
            if *followers.get() == 0 {
                followers.remove();
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher's place.
#[derive(Debug)]
pub(crate) struct Subscription {
    topic: Topic,
    user: UserId,
    notices: Option<broadcast::Receiver<Notice>>,
    watchers: Watchers,
}

impl Subscription {
    /// The next notice; nothing for a watcher that fell behind: whatever it follows may have changed.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        let Some(notices) = &mut self.notices else { return std::future::pending().await };
        match notices.recv().await {
            Ok(notice) => Some(notice),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.notices = None;
        self.watchers.forget(self.topic, self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_what_it_follows_only_and_leaves_nothing_behind() {
        let watchers = Watchers::default();
        let (mine, other) = (GenerationId::generate(), GenerationId::generate());
        let (me, somebody) = (UserId::generate(), UserId::generate());
        let (mut one, mut all) =
            (watchers.follow(Topic::Generation(mine), me), watchers.follow(Topic::User(me), me));
        let progress =
            Signal::Progress(Progress { attempt: 1, epoch: 1, stage: "generating".to_owned(), percent: 40 });
        watchers.tell(Some(somebody), other, Signal::Changed);
        watchers.tell(Some(me), mine, progress.clone());
        let notice = Some(Notice { generation: mine, signal: progress });
        assert_eq!(one.next().await, notice);
        assert_eq!(all.next().await, notice);
        assert_eq!((watchers.count(me), watchers.count(somebody)), (2, 0));
        drop((one, all));
        assert_eq!(watchers.count(me), 0);
        assert!(watchers.watched().topics.is_empty());
    }

    #[tokio::test]
    async fn a_watcher_that_fell_behind_is_told_so() {
        let watchers = Watchers::default();
        let id = GenerationId::generate();
        let mut subscription = watchers.follow(Topic::Generation(id), UserId::generate());
        let preview = Preview { index: 0, format: 1, data: Bytes::new() };
        for _ in 0..=BEHIND {
            watchers.tell(None, id, Signal::Preview(preview.clone()));
        }
        assert_eq!(subscription.next().await, None);
    }
}
