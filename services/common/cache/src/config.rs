//! Which cache a service uses, as its configuration says.

use serde::Deserialize;

use crate::{Cache, CacheError, RedisConfig};

/// The section `[cache]` of a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Which of the caches below is used.
    pub kind: Kind,
    /// A server that every replica shares.
    pub redis: Option<RedisConfig>,
}

/// The kinds of caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The memory of this process, right for a single replica.
    Process,
    /// Redis.
    Redis,
}

impl Cache {
    /// Opens the configured cache. A server may be absent: calls fail until it is there.
    ///
    /// # Errors
    /// [`CacheError::Misconfigured`] when the chosen cache is not described or cannot be used.
    pub fn open(config: &CacheConfig) -> Result<Self, CacheError> {
        match (config.kind, &config.redis) {
            (Kind::Process, _) => Ok(Self::in_process()),
            (Kind::Redis, Some(redis)) => Self::redis(redis),
            (Kind::Redis, None) => Err(CacheError::Misconfigured("[cache.redis] is missing".into())),
        }
    }
}
