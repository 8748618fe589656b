//! What every use case of the gateway works with.

use std::sync::Arc;

use imagioo_picture::Verifier;
use imagioo_proto::jobs::v1::GenerationChanged;
use imagioo_queue::Queue;
use imagioo_seal::Sealer;
use imagioo_storage::Storage;
use imagioo_types::{Clock, GenerationId, UserId};
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::catalogue::{Catalogue, Current};
use crate::config::Config;
use crate::dispatch::depths::Depths;
use crate::dispatch::health::Health;
use crate::dispatch::lines::Lines;
use crate::dispatch::pace::Pace;
use crate::holds::Holds;
use crate::hot::Hot;
use crate::screening::PromptScreen;
use crate::uploads::Turns;
use crate::watchers::{Signal, Watchers};
use crate::webhooks::Webhooks;

/// The parts of a running gateway. Clones share them.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// See [`App`].
pub(crate) struct Parts {
    pub(crate) config: Config,
    /// The catalogue; see [`App::catalogue`].
    pub(crate) current: Current,
    pub(crate) pool: PgPool,
    pub(crate) queue: Queue,
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) holds: Holds,
    pub(crate) screen: PromptScreen,
    /// Reads pictures that were sent along.
    pub(crate) verifier: Verifier,
    /// Whose picture it reads next.
    pub(crate) turns_to_read: Turns,
    pub(crate) hot: Hot,
    pub(crate) depths: Depths,
    pub(crate) health: Health,
    pub(crate) lines: Lines,
    pub(crate) pace: Pace,
    pub(crate) watchers: Watchers,
    pub(crate) webhooks: Webhooks,
    /// Seals and opens keys of users.
    pub(crate) sealer: Sealer,
    /// Wakes the relay of the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Wakes the dispatcher.
    pub(crate) turns: Arc<Notify>,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The catalogue as it is now.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.current.get()
    }

    /// Tells watchers, here and on other replicas, that a row changed.
    pub(crate) async fn changed(&self, owner: UserId, id: GenerationId, version: i64) {
        self.watchers.tell(Some(owner), id, Signal::Changed);
        self.queue.hint(&GenerationChanged { generation: id.name(), version, owner: owner.name() }).await;
    }
}
