//! Who is calling, as proved by a verified access token.

use time::OffsetDateTime;

use crate::{ApiKeyId, SessionId, UserId};

/// A caller whose access token was verified. Only token verification creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account that acts, and the owner of everything it makes.
    pub user: UserId,
    /// What the caller signed in with.
    pub credential: Credential,
    /// When the token was issued.
    pub issued_at: OffsetDateTime,
    /// When the token stops working.
    pub expires_at: OffsetDateTime,
}

/// What a caller signed in with; revoking it ends the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A signed-in session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
}
