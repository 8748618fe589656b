//! The deny list: tokens refused although their signature and time are right.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use imagioo_types::{ApiKeyId, Credential, Identity, SessionId, UserId};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Whose tokens are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One session's.
    Session(SessionId),
    /// One API key's.
    ApiKey(ApiKeyId),
    /// A user's, as far as they were issued by the time of the revocation.
    User(UserId),
}

/// One entry of the deny list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Whose tokens.
    pub subject: Subject,
    /// Since when.
    pub revoked_at: OffsetDateTime,
}

/// The deny list of this process and how fresh it is. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: RwLock<State>,
    /// Told whenever the list was confirmed.
    confirmed: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Subject, OffsetDateTime>,
    heard: Option<Instant>,
    always_fresh: bool,
}

impl Revocations {
    /// A list that its own writer fills, and that is therefore never stale.
    #[must_use]
    pub fn authoritative() -> Self {
        let state = RwLock::new(State { always_fresh: true, ..State::default() });
        Self(Arc::new(Shared { state, confirmed: Notify::new() }))
    }

    /// Replaces the whole list.
    pub fn replace(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        state.entries = revocations.into_iter().map(|entry| (entry.subject, entry.revoked_at)).collect();
        state.heard = Some(Instant::now());
        self.0.confirmed.notify_waiters();
    }

    /// Adds an entry.
    pub fn add(&self, revocation: Revocation) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        let since = state.entries.entry(revocation.subject).or_insert(revocation.revoked_at);
        *since = revocation.revoked_at.max(*since);
        state.heard = Some(Instant::now());
    }

    /// Notes that the list was confirmed to be current.
    pub fn touch(&self) {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner).heard = Some(Instant::now());
    }

    /// Whether this caller's credential was revoked.
    #[must_use]
    pub fn contains(&self, identity: &Identity) -> bool {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        let credential = match identity.credential {
            Credential::Session(id) => Subject::Session(id),
            Credential::ApiKey(id) => Subject::ApiKey(id),
        };
        state.entries.contains_key(&credential)
            || state
                .entries
                .get(&Subject::User(identity.user))
                .is_some_and(|since| identity.issued_at <= *since)
    }

    /// Waits until the list was heard for the first time.
    pub async fn heard(&self) {
        loop {
            let confirmed = self.0.confirmed.notified();
            if self.fresh_within(Duration::MAX) {
                return;
            }
            confirmed.await;
        }
    }

    /// Whether the list was confirmed within `limit`.
    #[must_use]
    pub fn fresh_within(&self, limit: Duration) -> bool {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        state.always_fresh || state.heard.is_some_and(|heard| heard.elapsed() <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(issued_at: OffsetDateTime) -> Identity {
        Identity {
            user: UserId::generate(),
            credential: Credential::Session(SessionId::generate()),
            issued_at,
            expires_at: issued_at + Duration::from_secs(300),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_list_goes_stale_and_a_heartbeat_refreshes_it() {
        let list = Revocations::default();
        assert!(!list.fresh_within(Duration::from_secs(10)));
        list.replace([]);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(!list.fresh_within(Duration::from_secs(10)));
        list.touch();
        assert!(list.fresh_within(Duration::from_secs(10)));
    }

    #[test]
    fn a_revoked_user_may_sign_in_again() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let before = identity(start);
        let list = Revocations::default();
        list.add(Revocation { subject: Subject::User(before.user), revoked_at: start });
        assert!(list.contains(&before));
        let after = Identity { issued_at: start + Duration::from_secs(1), ..before };
        assert!(!list.contains(&after));
    }
}
