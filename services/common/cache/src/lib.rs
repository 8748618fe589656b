//! Rate limits, velocity counters and short-lived values: everything that may be forgotten.
//!
//! # Promises
//! - Losing the whole cache loses no money, no job, no session and no revocation: limits start afresh, values
//!   are read again at their source.
//! - In one process time is monotonic: a changed wall clock opens or closes nothing. A shared cache goes by its
//!   server's clock: where that is set back, limits and windows last so much longer.
//! - Every operation may fail once the cache is shared by many processes, and then fails soon; the caller
//!   decides whether that lets the request pass or refuses it, and says so where it decides.
//!
//! # Code map
//! `cache` is what services hold, `rate` the arithmetic of the limiter, `in_process` the tables of one
//! process, `redis` a server that many share. Both run the properties of `tests/it/conformance.rs`.

mod cache;
mod config;
mod error;
mod in_process;
mod instruments;
mod rate;
mod redis;

pub use self::redis::RedisConfig;
pub use cache::Cache;
pub use config::{CacheConfig, Kind};
pub use error::CacheError;
pub use rate::{Rate, Verdict};
