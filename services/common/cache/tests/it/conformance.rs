//! What every implementation of the cache must do. The properties say how much time passes; a clock of the
//! implementation lets it pass.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use imagioo_cache::{Cache, Rate, Verdict};

/// Long enough for a slow machine to do within it what a property does within a period.
const PERIOD: Duration = Duration::from_secs(3);
const THREE_THEN_ONE_A_PERIOD: Rate = Rate { burst: 3, per: PERIOD };

/// How time passes for a cache.
pub(crate) trait Clock {
    /// Whether it stands still unless it is told to pass.
    const STOPPED: bool;

    /// Lets so much time pass, or a little more if the clock is not stopped.
    async fn pass(&self, span: Duration);
}

/// A cache under test.
pub(crate) struct Bench<C> {
    pub(crate) cache: Cache,
    pub(crate) clock: C,
}

/// One test (with that attribute) for each property, against the bench that the expression makes.
macro_rules! properties {
    (#[$test:meta] $bench:expr) => {
        crate::conformance::properties!(@ #[$test] $bench;
            a_burst_is_allowed_then_denied_with_the_time_to_wait,
            waiting_as_told_is_enough,
            a_denied_event_is_not_counted,
            a_limiter_rests_to_its_full_burst_and_no_more,
            each_key_has_its_own_limit,
            concurrent_events_share_one_burst,
            a_burst_of_nothing_allows_nothing,
            extreme_rates_are_judged,
            a_lower_rate_takes_effect_at_once,
            a_counter_counts_within_its_window,
            a_window_is_not_prolonged_by_its_events,
            a_value_is_there_until_its_time_is_over,
            a_later_value_replaces_an_earlier_one_and_its_time,
            a_value_without_time_is_none,
            a_removed_value_is_gone,
            limits_counters_and_values_of_one_key_do_not_meet,
        );
    };
    (@ #[$test:meta] $bench:expr; $($property:ident,)*) => {
        $(
            #[$test]
            async fn $property() {
                crate::conformance::$property($bench).await;
            }
        )*
    };
}
pub(crate) use properties;

impl<C: Clock> Bench<C> {
    async fn allow(&self, key: &str) -> Verdict {
        self.cache.allow(key, THREE_THEN_ONE_A_PERIOD).await.unwrap()
    }

    async fn use_up(&self, key: &str) {
        for _ in 0..3 {
            assert_eq!(self.allow(key).await, Verdict::Allowed);
        }
    }

    /// The next event is denied with that time to wait, less what passed meanwhile on a clock that does not stop.
    async fn assert_denied(&self, key: &str, wait: Duration) -> Duration {
        let Verdict::Denied { retry_after } = self.allow(key).await else { panic!("the burst is used up") };
        if C::STOPPED {
            assert_eq!(retry_after, wait);
        } else {
            assert!(Duration::ZERO < retry_after && retry_after <= wait, "{retry_after:?} of {wait:?}");
        }
        retry_after
    }

    async fn count(&self, key: &str) -> u64 {
        self.cache.count(key, PERIOD).await.unwrap()
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        self.cache.get(key).await.unwrap()
    }

    async fn put(&self, key: &str, value: &'static str, ttl: Duration) {
        self.cache.put(key, Bytes::from_static(value.as_bytes()), ttl).await.unwrap();
    }
}

pub(crate) async fn a_burst_is_allowed_then_denied_with_the_time_to_wait(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    bench.assert_denied("a", PERIOD).await;
    bench.clock.pass(PERIOD / 4).await;
    bench.assert_denied("a", PERIOD * 3 / 4).await;
}

pub(crate) async fn waiting_as_told_is_enough(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    for _ in 0..3 {
        let wait = bench.assert_denied("a", PERIOD).await;
        bench.clock.pass(wait).await;
        assert_eq!(bench.allow("a").await, Verdict::Allowed);
    }
}

pub(crate) async fn a_denied_event_is_not_counted(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    for _ in 0..100 {
        bench.assert_denied("a", PERIOD).await;
    }
}

pub(crate) async fn a_limiter_rests_to_its_full_burst_and_no_more(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    bench.clock.pass(PERIOD * 5).await;
    bench.use_up("a").await;
    bench.assert_denied("a", PERIOD).await;
}

pub(crate) async fn each_key_has_its_own_limit(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    bench.use_up("b").await;
}

pub(crate) async fn concurrent_events_share_one_burst(bench: Bench<impl Clock>) {
    let verdicts = join_all((0..64).map(|_| bench.allow("a"))).await;
    let allowed = verdicts.iter().filter(|verdict| **verdict == Verdict::Allowed).count();
    assert_eq!(allowed, 3);
}

pub(crate) async fn a_burst_of_nothing_allows_nothing(bench: Bench<impl Clock>) {
    let never = Rate { burst: 0, per: PERIOD };
    assert_eq!(bench.cache.allow("a", never).await.unwrap(), Verdict::Denied { retry_after: PERIOD });
}

pub(crate) async fn extreme_rates_are_judged(bench: Bench<impl Clock>) {
    let unlimited = Rate { burst: 1, per: Duration::ZERO };
    for _ in 0..10 {
        assert_eq!(bench.cache.allow("a", unlimited).await.unwrap(), Verdict::Allowed);
    }
    let slowest = Rate { burst: u32::MAX, per: Duration::MAX };
    assert_eq!(bench.cache.allow("b", slowest).await.unwrap(), Verdict::Allowed);
    assert!(matches!(bench.cache.allow("b", slowest).await.unwrap(), Verdict::Denied { .. }));
}

pub(crate) async fn a_lower_rate_takes_effect_at_once(bench: Bench<impl Clock>) {
    let (generous, strict) = (Rate { burst: 10, per: PERIOD }, Rate { burst: 1, per: PERIOD });
    for _ in 0..5 {
        assert_eq!(bench.cache.allow("a", generous).await.unwrap(), Verdict::Allowed);
    }
    let Verdict::Denied { retry_after } = bench.cache.allow("a", strict).await.unwrap() else {
        panic!("five periods are used up")
    };
    assert!(PERIOD * 3 < retry_after && retry_after <= PERIOD * 5, "{retry_after:?}");
}

pub(crate) async fn a_counter_counts_within_its_window(bench: Bench<impl Clock>) {
    for expected in 1..=5 {
        assert_eq!(bench.count("a").await, expected);
    }
    assert_eq!(bench.count("b").await, 1);
    bench.clock.pass(PERIOD).await;
    assert_eq!(bench.count("a").await, 1);
}

pub(crate) async fn a_window_is_not_prolonged_by_its_events(bench: Bench<impl Clock>) {
    assert_eq!(bench.count("a").await, 1);
    bench.clock.pass(PERIOD / 2).await;
    assert_eq!(bench.count("a").await, 2);
    bench.clock.pass(PERIOD / 2).await;
    assert_eq!(bench.count("a").await, 1);
}

pub(crate) async fn a_value_is_there_until_its_time_is_over(bench: Bench<impl Clock>) {
    assert_eq!(bench.get("a").await, None);
    bench.put("a", "value", PERIOD).await;
    bench.clock.pass(PERIOD / 2).await;
    assert_eq!(bench.get("a").await, Some(Bytes::from_static(b"value")));
    bench.clock.pass(PERIOD / 2).await;
    assert_eq!(bench.get("a").await, None);
}

pub(crate) async fn a_later_value_replaces_an_earlier_one_and_its_time(bench: Bench<impl Clock>) {
    bench.put("a", "earlier", PERIOD).await;
    bench.put("a", "later", PERIOD * 10).await;
    bench.clock.pass(PERIOD * 2).await;
    assert_eq!(bench.get("a").await, Some(Bytes::from_static(b"later")));
}

pub(crate) async fn a_value_without_time_is_none(bench: Bench<impl Clock>) {
    bench.put("a", "earlier", PERIOD).await;
    bench.put("a", "later", Duration::ZERO).await;
    assert_eq!(bench.get("a").await, None);
    bench.put("b", "for ever", Duration::MAX).await;
    assert_eq!(bench.get("b").await, Some(Bytes::from_static(b"for ever")));
}

pub(crate) async fn a_removed_value_is_gone(bench: Bench<impl Clock>) {
    bench.put("a", "value", PERIOD).await;
    bench.cache.remove("a").await.unwrap();
    bench.cache.remove("a").await.unwrap();
    assert_eq!(bench.get("a").await, None);
}

pub(crate) async fn limits_counters_and_values_of_one_key_do_not_meet(bench: Bench<impl Clock>) {
    bench.use_up("a").await;
    assert_eq!(bench.count("a").await, 1);
    assert_eq!(bench.get("a").await, None);
    bench.put("a", "value", PERIOD).await;
    bench.cache.remove("a").await.unwrap();
    assert_eq!(bench.count("a").await, 2);
    bench.assert_denied("a", PERIOD).await;
}
