//! What the use cases share.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Notify;

use crate::access::Issuer;
use crate::config::SessionConfig;
use crate::password::Hasher;
use crate::throttle::Throttle;

/// The database role of one user's request; row-level security shows it that user's rows only.
pub(crate) const USER_ROLE: &str = "imagioo_account_user";

/// The collaborators of every use case.
pub(crate) struct App {
    /// Connections as the service's own role.
    pub(crate) pool: PgPool,
    /// Passwords to hashes.
    pub(crate) hasher: Hasher,
    /// Slows down guesses.
    pub(crate) throttle: Throttle,
    /// Signs access tokens.
    pub(crate) issuer: Issuer,
    /// Life of sessions.
    pub(crate) sessions: SessionConfig,
    /// Told after a commit that left a message in the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Told after a commit that added to the deny list.
    pub(crate) revoked: Arc<Notify>,
}
