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
    /// How many places are taken on behalf of whom.
    places: HashMap<UserId, u32>,
}

impl Watchers {
    /// A place to follow from, of `most` that the user may have at once; nothing when all are taken.
    pub(crate) fn place(&self, user: UserId, most: u32) -> Option<Place> {
        let mut watched = self.watched();
        let taken = watched.places.entry(user).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Place { user, watchers: self.clone() })
    }

    /// Follows a topic until the subscription is dropped.
    pub(crate) fn follow(&self, topic: Topic, place: Place) -> Subscription {
        let mut watched = self.watched();
        let sender = watched.topics.entry(topic).or_insert_with(|| broadcast::channel(BEHIND).0);
        Subscription { topic, notices: Some(sender.subscribe()), place }
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

    fn forget(&self, topic: Topic) {
        let mut watched = self.watched();
        if watched.topics.get(&topic).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.topics.remove(&topic);
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the places of a user, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    user: UserId,
    watchers: Watchers,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watched = self.watchers.watched();
        if let Entry::Occupied(mut taken) = watched.places.entry(self.user) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// One watcher.
#[derive(Debug)]
pub(crate) struct Subscription {
    topic: Topic,
    notices: Option<broadcast::Receiver<Notice>>,
    place: Place,
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
        self.place.watchers.forget(self.topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(watchers: &Watchers, topic: Topic, user: UserId) -> Subscription {
        watchers.follow(topic, watchers.place(user, 10).expect("a place"))
    }

    #[tokio::test]
    async fn a_watcher_hears_of_what_it_follows_only_and_leaves_nothing_behind() {
        let watchers = Watchers::default();
        let (mine, other) = (GenerationId::generate(), GenerationId::generate());
        let (me, somebody) = (UserId::generate(), UserId::generate());
        let (mut one, mut all) =
            (follow(&watchers, Topic::Generation(mine), me), follow(&watchers, Topic::User(me), me));
        let progress =
            Signal::Progress(Progress { attempt: 1, epoch: 1, stage: "generating".to_owned(), percent: 40 });
        watchers.tell(Some(somebody), other, Signal::Changed);
        watchers.tell(Some(me), mine, progress.clone());
        let notice = Some(Notice { generation: mine, signal: progress });
        assert_eq!(one.next().await, notice);
        assert_eq!(all.next().await, notice);
        drop((one, all));
        let watched = watchers.watched();
        assert!(watched.topics.is_empty() && watched.places.is_empty());
    }

    #[test]
    fn places_are_counted_as_they_are_taken_and_each_users_own() {
        let watchers = Watchers::default();
        let (me, somebody) = (UserId::generate(), UserId::generate());
        let taken: Vec<_> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..8).filter_map(|_| watchers.place(me, 5)).collect::<Vec<_>>()))
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().expect("no panic")).collect()
        });
        assert_eq!(taken.len(), 5);
        let theirs = watchers.place(somebody, 5).expect("their own");
        drop((taken, theirs));
        assert!(watchers.watched().places.is_empty(), "nothing is left behind");
        watchers.place(me, 5).expect("free again");
    }

    #[tokio::test]
    async fn a_watcher_that_fell_behind_is_told_so() {
        let watchers = Watchers::default();
        let id = GenerationId::generate();
        let mut subscription = follow(&watchers, Topic::Generation(id), UserId::generate());
        let preview = Preview { index: 0, format: 1, data: Bytes::new() };
        for _ in 0..=BEHIND {
            watchers.tell(None, id, Signal::Preview(preview.clone()));
        }
        assert_eq!(subscription.next().await, None);
    }
}
