//! Rate limits, by user and by address.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use imagioo_cache::{Cache, CacheError, Rate, Verdict};
use imagioo_rpc::{Code, RpcError};
use imagioo_types::UserId;

use crate::config::Limits;
use crate::instruments;

/// Counts calls in the shared cache. When the cache fails, calls pass: the limits protect the service, not money.
#[derive(Clone)]
pub(crate) struct Limiter {
    cache: Cache,
    user: Rate,
    address: Rate,
}

impl Limiter {
    pub(crate) fn new(cache: Cache, limits: &Limits) -> Self {
        let every = |window: Duration, calls: u32| window / calls.max(1);
        Self {
            cache,
            user: Rate {
                burst: limits.user_burst,
                per: every(Duration::from_secs(1), limits.user_per_second),
            },
            address: Rate {
                burst: limits.address_burst,
                per: every(Duration::from_secs(60), limits.address_per_minute),
            },
        }
    }

    /// Counts a call of a signed-in user.
    pub(crate) async fn user(&self, user: UserId) -> Result<(), RpcError> {
        self.check(&format!("calls:{user}"), self.user).await
    }

    /// Counts a call that asks for credentials. An IPv6 network of one household counts as one address.
    pub(crate) async fn address(&self, address: Option<IpAddr>) -> Result<(), RpcError> {
        self.check(&format!("credentials:{}", network(address)), self.address).await
    }

    /// Refuses an address from which too many wrong API keys came, before anybody is asked about one more.
    pub(crate) async fn may_offer_keys(&self, address: Option<IpAddr>) -> Result<(), RpcError> {
        match self.cache.get(&shut(address)).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(limited(self.address.per)),
            Err(error) => {
                unchecked(&error);
                Ok(())
            }
        }
    }

    /// Counts a wrong API key. They have a count of their own: a program with an old key keeps nobody from signing in.
    pub(crate) async fn wrong_key(&self, address: Option<IpAddr>) -> Result<(), RpcError> {
        let checked = self.check(&format!("keys:{}", network(address)), self.address).await;
        if let Err(refusal) = &checked
            && let Some(delay) = refusal.delay()
            && let Err(error) = self.cache.put(&shut(address), Bytes::new(), delay).await
        {
            unchecked(&error);
        }
        checked
    }

    async fn check(&self, key: &str, rate: Rate) -> Result<(), RpcError> {
        match self.cache.allow(key, rate).await {
            Ok(Verdict::Allowed) => Ok(()),
            Ok(Verdict::Denied { retry_after }) => Err(limited(retry_after)),
            // The cache logs each of its outages once.
            Err(error) => {
                tracing::debug!(error = %error, "rate limit not checked");
                Ok(())
            }
        }
    }
}

fn limited(retry_after: Duration) -> RpcError {
    instruments::limited();
    RpcError::new(Code::RateLimited, "too many calls: wait and try again").retry_after(retry_after)
}

fn unchecked(error: &CacheError) {
    tracing::debug!(error = %error, "wrong keys not counted");
}

fn shut(address: Option<IpAddr>) -> String {
    format!("wrong-keys:{}", network(address))
}

/// What counts as one address.
fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        let limits = Limits { user_per_second: 1, user_burst: 2, address_per_minute: 1, address_burst: 1 };
        Limiter::new(Cache::in_process(), &limits)
    }

    #[tokio::test]
    async fn the_call_after_the_burst_is_told_when_to_come_back() {
        let (limiter, user) = (limiter(), UserId::generate());
        limiter.user(user).await.expect("first");
        limiter.user(user).await.expect("second");
        let refused = limiter.user(user).await.expect_err("third");
        assert_eq!(refused.code(), Code::RateLimited);
        assert!(refused.delay().is_some());
        limiter.user(UserId::generate()).await.expect("somebody else");
    }

    #[tokio::test]
    async fn addresses_of_one_network_count_together() {
        let limiter = limiter();
        let address = |text: &str| Some(text.parse().expect("address"));
        limiter.address(address("2001:db8::1")).await.expect("first");
        limiter.address(address("2001:db8::2")).await.expect_err("same network");
        limiter.address(address("2001:db8:0:1::1")).await.expect("another network");
        limiter.address(address("::ffff:192.0.2.1")).await.expect("first");
        limiter.address(address("192.0.2.1")).await.expect_err("the same address");
    }

    #[tokio::test]
    async fn wrong_keys_shut_an_address_to_keys_and_to_nothing_else() {
        let limiter = limiter();
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|text| Some(text.parse().expect("address")));
        limiter.wrong_key(here).await.expect("once is a mistake");
        limiter.may_offer_keys(here).await.expect("and may be mended");
        let refused = limiter.wrong_key(here).await.expect_err("twice in a minute");
        assert_eq!(refused.code(), Code::RateLimited);
        let refused = limiter.may_offer_keys(here).await.expect_err("not for a while");
        assert!(refused.delay().is_some());
        limiter.may_offer_keys(there).await.expect("another address");
        limiter.address(here).await.expect("whoever signs in is counted by itself");
    }
}
