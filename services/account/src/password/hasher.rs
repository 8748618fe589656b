//! Argon2id off the async threads, under a cap, with bounds on what a stored hash may ask for.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PasswordConfig;

/// How long a sign-in may wait for its turn to hash before the service calls itself busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// What stored hashes and the configuration may ask for at most.
pub(crate) const MOST: Cost = Cost { memory_kib: 262_144, passes: 16, lanes: 8 };
/// What new hashes cost at least (OWASP, ASVS 5.0 11.4.2).
pub(crate) const LEAST: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// The configured cost is none.
    #[error("the configured cost of password hashes")]
    Configured(#[source] argon2::Error),
    /// All turns are taken.
    #[error("too many passwords are being hashed")]
    Busy,
    /// The stored text is not an argon2id hash within the bounds.
    #[error("the stored password hash is not acceptable")]
    Stored,
    /// The algorithm failed.
    #[error("argon2")]
    Algorithm(#[source] password_hash::Error),
    /// The thread ended early.
    #[error("the hashing thread ended early")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// What came out of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another password, or none to compare with.
    Wrong,
    /// The password.
    Right {
        /// True when the hash was made with other parameters than new ones are.
        outdated: bool,
    },
}

/// The three parameters of Argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Cost {
    fn of(params: &Params) -> Self {
        Self { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() }
    }

    fn within(self, most: Self) -> bool {
        self.memory_kib <= most.memory_kib && self.passes <= most.passes && self.lanes <= most.lanes
    }
}

/// Hashes and compares passwords, a bounded number at a time.
pub(crate) struct Hasher {
    argon: Argon2<'static>,
    cost: Cost,
    permits: Arc<Semaphore>,
    /// Compared with when there is no account, so that an unknown address costs the same time.
    dummy: String,
}

impl Hasher {
    /// A hasher with the configured cost. Computes one hash.
    ///
    /// # Errors
    /// [`HashError::Configured`], [`HashError::Algorithm`].
    pub(crate) fn new(config: &PasswordConfig) -> Result<Self, HashError> {
        let cost = Cost { memory_kib: config.memory_kib, passes: config.iterations, lanes: config.lanes };
        let params =
            Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(HashError::Configured)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = uuid::Uuid::now_v7();
        let dummy = argon.hash_password(nobody.as_bytes()).map_err(HashError::Algorithm)?.to_string();
        let concurrency = usize::try_from(config.concurrency).unwrap_or(1);
        Ok(Self { argon, cost, permits: Arc::new(Semaphore::new(concurrency)), dummy })
    }

    /// The PHC string to store for a new password.
    ///
    /// # Errors
    /// [`HashError::Busy`] after five seconds without a turn.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, HashError> {
        let argon = self.argon.clone();
        self.in_turn(move || {
            let hash = argon.hash_password(password.expose_secret().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(HashError::Algorithm)
        })
        .await
    }

    /// Compares a password with a stored hash. Without one it works as long and answers [`Verdict::Wrong`].
    ///
    /// # Errors
    /// [`HashError::Busy`] after five seconds without a turn; [`HashError::Stored`], before any memory is taken, for a
    /// hash that asks for too much.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<Verdict, HashError> {
        let known = stored.is_some();
        let (hash, cost) = parse(stored.as_deref().unwrap_or(&self.dummy))?;
        let outdated = cost != self.cost;
        let argon = self.argon.clone();
        let right = self
            .in_turn(move || match argon.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(HashError::Algorithm(error)),
            })
            .await?;
        Ok(if right && known { Verdict::Right { outdated } } else { Verdict::Wrong })
    }

    /// Runs `work` on a blocking thread. The turn lasts as long as the work, also when the caller has gone.
    async fn in_turn<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, HashError> + Send + 'static,
    {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await;
        let turn: OwnedSemaphorePermit = turn.ok().and_then(Result::ok).ok_or(HashError::Busy)?;
        let worked = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        });
        worked.await.map_err(HashError::Interrupted)?
    }
}

/// A stored hash whose parameters are bounded, so that comparing with it cannot exhaust the machine.
fn parse(stored: &str) -> Result<(PasswordHash, Cost), HashError> {
    let hash = PasswordHash::new(stored).map_err(|_| HashError::Stored)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Stored)?;
    let cost = Cost::of(&params);
    let argon2id = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(Version::V0x13.into());
    let complete = hash.salt.is_some() && hash.hash.is_some();
    if argon2id && complete && cost.within(MOST) { Ok((hash, cost)) } else { Err(HashError::Stored) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Hasher {
        Hasher::new(&PasswordConfig { memory_kib: 19_456, iterations: 2, lanes: 1, concurrency: 2 })
            .expect("the floor is allowed")
    }

    fn weak_hash(password: &str) -> String {
        let params = Params::new(8_192, 1, 1, None).expect("valid parameters");
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password(password.as_bytes()).expect("hashed").to_string()
    }

    #[tokio::test]
    async fn s55_the_stored_text_states_the_floor_and_the_exact_bytes_are_needed() {
        let hasher = hasher();
        let stored = hasher.hash(" pass\0wörd ".into()).await.expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let right = hasher.verify(" pass\0wörd ".into(), Some(stored.clone())).await;
        assert_eq!(right.expect("compared"), Verdict::Right { outdated: false });
        for wrong in ["pass\0wörd", " pass\0wörd", " Pass\0wörd ", " pass", " pass\0wo\u{308}rd "] {
            let verdict = hasher.verify(wrong.into(), Some(stored.clone())).await;
            assert_eq!(verdict.expect("compared"), Verdict::Wrong, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn s55_an_older_hash_is_right_and_outdated() {
        let verdict = hasher().verify("correct horse".into(), Some(weak_hash("correct horse"))).await;
        assert_eq!(verdict.expect("compared"), Verdict::Right { outdated: true });
    }

    #[tokio::test]
    async fn s56_a_stored_hash_that_asks_for_too_much_is_refused_before_it_costs_anything() {
        let hasher = hasher();
        let ordinary = weak_hash("correct horse");
        for (from, to) in [
            ("m=8192", "m=8388608"),
            ("m=8192", "m=4294967295"),
            ("t=1", "t=1000"),
            ("p=1", "p=255"),
            ("argon2id", "argon2i"),
            ("argon2id", "scrypt"),
            ("v=19", "v=16"),
            ("$v=19", ""),
        ] {
            let crafted = ordinary.replacen(from, to, 1);
            assert_ne!(crafted, ordinary);
            let refused = hasher.verify("correct horse".into(), Some(crafted)).await;
            assert!(matches!(refused, Err(HashError::Stored)), "{to}: {refused:?}");
        }
        let truncated = ordinary.rsplit_once('$').expect("has parts").0.to_owned();
        let refused = hasher.verify("correct horse".into(), Some(truncated)).await;
        assert!(matches!(refused, Err(HashError::Stored)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_turn_is_told_so_instead_of_waiting_for_ever() {
        let hasher = hasher();
        let turns = Arc::clone(&hasher.permits).acquire_many_owned(2).await.expect("both turns");
        let answer = hasher.verify("anything".into(), None).await;
        assert!(matches!(answer, Err(HashError::Busy)), "{answer:?}");
        drop(turns);
        hasher.verify("anything".into(), None).await.expect("a turn");
    }

    #[tokio::test]
    async fn without_an_account_no_password_is_right() {
        assert_eq!(hasher().verify("anything".into(), None).await.expect("compared"), Verdict::Wrong);
    }
}
