//! What can go wrong with something that may be forgotten.

/// The cache gave no answer. The tables of one process always answer.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be reached, failed or took too long.
    #[error("the cache does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync + 'static>),
    /// It failed lately, so it was not asked.
    #[error("the cache did not answer lately and was not asked")]
    Away,
    /// Its address or a time-out is wrong. Only opening a cache fails so.
    #[error("the cache is misconfigured; its address is `redis://:PASSWORD@HOST:PORT/DATABASE`")]
    Misconfigured(#[source] Box<dyn std::error::Error + Send + Sync + 'static>),
}
