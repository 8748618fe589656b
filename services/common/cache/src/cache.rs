//! The one type that services hold: limit, count, remember for a while.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    error::CacheError,
    in_process::InProcess,
    instruments,
    rate::{Rate, Verdict},
    redis::{Redis, RedisConfig},
};

/// Rate limits, counters and values with an end. Clones share it. Keys of the three kinds do not meet.
#[derive(Clone)]
pub struct Cache {
    store: Store,
}

/// Where the cache lives. Every variant keeps the promises of the crate's first page.
#[derive(Clone)]
enum Store {
    InProcess(Arc<InProcess>),
    Redis(Arc<Redis>),
}

impl Cache {
    /// A cache in the memory of this process, bounded in entries.
    #[must_use]
    pub fn in_process() -> Self {
        instruments::describe();
        Self { store: Store::InProcess(Arc::new(InProcess::new())) }
    }

    /// A cache that many processes share. Needs a runtime of tokio. The server need not be there yet, and may go
    /// and come back: meanwhile calls fail within the time-out, and after a few within microseconds.
    ///
    /// # Errors
    /// [`CacheError::Misconfigured`]
    pub fn redis(config: &RedisConfig) -> Result<Self, CacheError> {
        instruments::describe();
        Ok(Self { store: Store::Redis(Arc::new(Redis::new(config)?)) })
    }

    /// Asks whether one more event may happen under `key`, and counts it if so. The rate may differ from call
    /// to call.
    ///
    /// # Errors
    /// [`CacheError`]: nobody knows; the caller decides.
    pub async fn allow(&self, key: &str, rate: Rate) -> Result<Verdict, CacheError> {
        let verdict = match &self.store {
            Store::InProcess(tables) => tables.allow(key, rate),
            Store::Redis(server) => server.allow(key, rate).await?,
        };
        instruments::judged(verdict);
        Ok(verdict)
    }

    /// Counts one event under `key` and answers how many there were in the present window, this one included.
    /// A window begins with its first event and lasts `window`.
    ///
    /// # Errors
    /// [`CacheError`]: nobody knows; the caller decides.
    pub async fn count(&self, key: &str, window: Duration) -> Result<u64, CacheError> {
        match &self.store {
            Store::InProcess(tables) => Ok(tables.count(key, window)),
            Store::Redis(server) => server.count(key, window).await,
        }
    }

    /// The value under `key`, unless it has expired or was forgotten.
    ///
    /// # Errors
    /// [`CacheError`]: read it at its source.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let found = match &self.store {
            Store::InProcess(tables) => tables.get(key),
            Store::Redis(server) => server.get(key).await?,
        };
        instruments::looked_up(found.is_some());
        Ok(found)
    }

    /// Remembers a value under `key` for `ttl` at most, in place of any other.
    ///
    /// # Errors
    /// [`CacheError`]: an older value may still be there.
    pub async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        match &self.store {
            Store::InProcess(tables) => tables.put(key, value, ttl),
            Store::Redis(server) => server.put(key, &value, ttl).await?,
        }
        Ok(())
    }

    /// Forgets the value under `key`.
    ///
    /// # Errors
    /// [`CacheError`]: the value may still be there.
    pub async fn remove(&self, key: &str) -> Result<(), CacheError> {
        match &self.store {
            Store::InProcess(tables) => tables.remove(key),
            Store::Redis(server) => server.remove(key).await?,
        }
        Ok(())
    }
}
