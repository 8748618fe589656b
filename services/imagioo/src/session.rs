//! The session of a profile: its access token, renewed by one process at a time.

use std::sync::Arc;

use imagioo_proto::account::v1 as wire;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_runtime::Shutdown;
use imagioo_types::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use time::Duration;
use tokio::sync::oneshot;

use crate::client::Line;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::profile::{Locked, Profiles, Store, Tokens};
use crate::when;

/// A token is renewed this long before it expires.
const MARGIN: Duration = Duration::seconds(30);

/// The session of one profile. Tokens are read from the file each time, because other processes renew them too.
#[derive(Clone)]
pub(crate) struct Session {
    store: Store,
    profile: String,
    line: Line,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

impl Session {
    /// The session of `profile`, on the server at the other end of `line`.
    pub(crate) fn new(context: &Context, profile: String, line: Line) -> Self {
        Self {
            store: context.store.clone(),
            profile,
            line,
            clock: Arc::clone(&context.clock),
            shutdown: context.shutdown.clone(),
        }
    }

    /// A token that works by the local clock and is not the `rejected` one.
    ///
    /// # Errors
    /// [`Failure::SignedOut`] when the session is over, or why it cannot be renewed.
    pub(crate) async fn access_token(
        &self,
        rejected: Option<&SecretString>,
    ) -> Result<SecretString, Failure> {
        let tokens = self.tokens(&self.store.load()?)?;
        if self.is_fresh(&tokens, rejected) {
            return Ok(tokens.access_token);
        }
        Ok(self.renew(rejected.cloned()).await?.access_token)
    }

    /// Renews the session now and answers its new tokens.
    ///
    /// # Errors
    /// As [`Self::access_token`].
    pub(crate) async fn renew_now(&self) -> Result<Tokens, Failure> {
        let current = self.tokens(&self.store.load()?)?.access_token;
        self.renew(Some(current)).await
    }

    /// The renewal is a task of its own: once the server has replaced the refresh token, the new one must reach the
    /// file even if nobody waits for it any more.
    async fn renew(&self, rejected: Option<SecretString>) -> Result<Tokens, Failure> {
        let (answer, answered) = oneshot::channel();
        let session = self.clone();
        self.shutdown.spawn("renew session", async move {
            let renewed = session.renew_alone(rejected).await;
            // Nobody waits for it any more: it is stored all the same.
            drop(answer.send(renewed));
        });
        answered.await.map_err(|_| Failure::Broken)?
    }

    async fn renew_alone(&self, rejected: Option<SecretString>) -> Result<Tokens, Failure> {
        let store = self.store.clone();
        let locked =
            tokio::task::spawn_blocking(move || store.lock()).await.map_err(|_| Failure::Broken)??;
        let tokens = self.tokens(&locked.load()?)?;
        if self.is_fresh(&tokens, rejected.as_ref()) {
            return Ok(tokens);
        }
        let renewed = self.exchange(tokens).await?;
        self.keep(&locked, &renewed)?;
        Ok(renewed)
    }

    async fn exchange(&self, tokens: Tokens) -> Result<Tokens, Failure> {
        let message =
            wire::RefreshSessionRequest { refresh_token: tokens.refresh_token.expose_secret().to_owned() };
        let refresh =
            async |channel, request| AccountServiceClient::new(channel).refresh_session(request).await;
        let answer = self.line.call(None, message, &refresh).await;
        match answer {
            Ok(answer) => tokens_of(answer.session),
            Err(failure) if failure.exit() == Exit::SignedOut => Err(Failure::SignedOut {
                message: format!("the session of profile `{}` is over", self.profile),
            }),
            Err(failure) => Err(failure),
        }
    }

    fn keep(&self, locked: &Locked, renewed: &Tokens) -> Result<(), Failure> {
        locked.change(|profiles| {
            if let Some(profile) = profiles.get_mut(&self.profile) {
                profile.session = Some(renewed.clone());
            }
        })?;
        Ok(())
    }

    fn tokens(&self, profiles: &Profiles) -> Result<Tokens, Failure> {
        let tokens = profiles.get(&self.profile).and_then(|profile| profile.session.clone());
        tokens.ok_or_else(|| Failure::SignedOut {
            message: format!("profile `{}` is signed out", self.profile),
        })
    }

    fn is_fresh(&self, tokens: &Tokens, rejected: Option<&SecretString>) -> bool {
        let current = tokens.access_token.expose_secret();
        let is_rejected = rejected.is_some_and(|rejected| rejected.expose_secret() == current);
        !is_rejected && self.clock.now() < tokens.access_expires - MARGIN
    }
}

/// What a client keeps of a session that the server answered.
///
/// # Errors
/// [`Failure::Incomplete`].
pub(crate) fn tokens_of(session: Option<wire::Session>) -> Result<Tokens, Failure> {
    let session = session.ok_or(Failure::Incomplete("the session"))?;
    let expires = session.access_expire_time.as_ref().and_then(when::instant);
    Ok(Tokens {
        refresh_token: session.refresh_token.into(),
        access_token: session.access_token.into(),
        access_expires: expires.ok_or(Failure::Incomplete("the session's expiry"))?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use imagioo_rpc::{Code, RpcError};
    use imagioo_types::SystemClock;
    use time::OffsetDateTime;
    use tokio::sync::Notify;

    use super::*;
    use crate::client::fake::Fake;
    use crate::profile::Profile;

    const NAME: &str = "me";

    /// A server that takes each refresh token once, after `gate` opens, if there is one.
    fn server(gate: Option<Arc<Notify>>) -> Fake {
        let newest = Arc::new(Mutex::new(0_u32));
        let refresh = move |request: wire::RefreshSessionRequest| {
            let (newest, gate) = (Arc::clone(&newest), gate.clone());
            let exchange = async move {
                if let Some(gate) = gate {
                    gate.notified().await;
                }
                let mut newest = newest.lock().expect("unpoisoned");
                if request.refresh_token != format!("refresh-{newest}") {
                    return Err(RpcError::new(Code::Unauthenticated, "this session is over").into());
                }
                *newest += 1;
                let session = wire::Session {
                    access_token: format!("access-{newest}"),
                    refresh_token: format!("refresh-{newest}"),
                    access_expire_time: Some(when::timestamp(SystemClock.now() + Duration::minutes(5))),
                    ..wire::Session::default()
                };
                Ok(wire::RefreshSessionResponse { session: Some(session) })
            };
            exchange.boxed()
        };
        Fake { refresh: Some(Arc::new(refresh)), ..Fake::default() }
    }

    /// A signed-in profile whose access token has expired.
    fn store(folder: &tempfile::TempDir) -> Store {
        let store = Store::in_folder(folder.path());
        let mut profile = Profile::new(crate::address::Address::default(), None);
        profile.session = Some(Tokens {
            refresh_token: "refresh-0".into(),
            access_token: "access-0".into(),
            access_expires: OffsetDateTime::UNIX_EPOCH,
        });
        store.insert_if_absent(NAME, profile).expect("written");
        store
    }

    fn session(store: &Store, line: &Line) -> Session {
        Session {
            store: store.clone(),
            profile: NAME.to_owned(),
            line: line.clone(),
            clock: Arc::new(SystemClock),
            shutdown: Shutdown::new(std::time::Duration::from_secs(10)),
        }
    }

    fn kept(store: &Store) -> String {
        let profiles = store.load().expect("read");
        let tokens = profiles.get(NAME).and_then(|profile| profile.session.clone()).expect("signed in");
        tokens.refresh_token.expose_secret().to_owned()
    }

    #[tokio::test]
    async fn many_processes_renew_a_session_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let client = server(None).start().await;
        let sessions: Vec<_> = (0..8).map(|_| session(&store, client.line())).collect();
        let tokens =
            futures::future::join_all(sessions.iter().map(|session| session.access_token(None))).await;
        for token in tokens {
            assert_eq!(token.expect("renewed").expose_secret(), "access-1");
        }
        assert_eq!(kept(&store), "refresh-1");
    }

    #[tokio::test]
    async fn a_rejected_token_is_renewed_though_it_looks_fresh() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let client = server(None).start().await;
        let session = session(&store, client.line());
        let first = session.access_token(None).await.expect("renewed");
        let second = session.access_token(Some(&first)).await.expect("renewed");
        assert_eq!(second.expose_secret(), "access-2");
        assert_eq!(session.access_token(Some(&first)).await.expect("kept").expose_secret(), "access-2");
    }

    #[tokio::test]
    async fn a_renewal_that_nobody_waits_for_is_stored_all_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let gate = Arc::new(Notify::new());
        let client = server(Some(Arc::clone(&gate))).start().await;
        let session = session(&store, client.line());
        assert!(session.access_token(None).now_or_never().is_none());
        gate.notify_one();
        session.shutdown.request();
        session.shutdown.drained().await;
        assert_eq!(kept(&store), "refresh-1");
    }

    #[tokio::test]
    async fn a_session_that_is_over_asks_for_a_new_sign_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let client = server(None).start().await;
        let session = session(&store, client.line());
        session.renew_now().await.expect("renewed");
        store
            .change(|profiles| {
                let tokens =
                    profiles.get_mut(NAME).and_then(|profile| profile.session.as_mut()).expect("signed in");
                tokens.refresh_token = "refresh-0".into();
            })
            .expect("written");
        let failure = session.renew_now().await.expect_err("over");
        assert!(matches!(failure, Failure::SignedOut { .. }));
    }
}
