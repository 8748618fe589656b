//! The generic cell rate algorithm: a burst at once, then one per interval.
//!
//! Own code rather than the crate `governor`: the rate comes with each call (it belongs to the caller's plan
//! and may change), while a limiter there has one; and the same few lines must hold as a script in a store
//! shared by many processes (`redis`).

use std::time::Duration;

use tokio::time::Instant;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once after a rest. 0 allows nothing.
    pub burst: u32,
    /// Time in which one more is allowed. Zero allows everything, unless the burst is 0.
    pub per: Duration,
}

/// The answer of a limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen, and was counted.
    Allowed,
    /// It may not, and was not counted.
    Denied {
        /// When it would be allowed, if nothing else happens.
        retry_after: Duration,
    },
}

/// Longer spans are cut to this one, which keeps the arithmetic in range.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

impl Rate {
    /// Judges an event at `now`, where `full_until` is the time until which the limiter is (partly) used up,
    /// and moves it on if the event is allowed.
    pub(crate) fn judge(self, now: Instant, full_until: &mut Instant) -> Verdict {
        let per = self.per.min(LONGEST);
        if self.burst == 0 {
            return Verdict::Denied { retry_after: per };
        }
        let after = (*full_until).max(now) + per;
        let allowed = now + per.saturating_mul(self.burst).min(LONGEST);
        if after <= allowed {
            *full_until = after;
            Verdict::Allowed
        } else {
            Verdict::Denied { retry_after: after - allowed }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_rates_do_not_overflow() {
        let now = Instant::now();
        let mut full_until = now;
        let slowest = Rate { burst: u32::MAX, per: Duration::MAX };
        assert_eq!(slowest.judge(now, &mut full_until), Verdict::Allowed);
        assert!(matches!(slowest.judge(now, &mut full_until), Verdict::Denied { .. }));
    }

    #[test]
    fn a_burst_of_zero_allows_nothing() {
        let now = Instant::now();
        let never = Rate { burst: 0, per: Duration::ZERO };
        assert!(matches!(never.judge(now, &mut now.clone()), Verdict::Denied { .. }));
    }

    #[test]
    fn a_rest_saves_up_no_more_than_the_burst() {
        let long_ago = Instant::now();
        let now = long_ago + Duration::from_secs(3_600);
        let mut full_until = long_ago;
        let rate = Rate { burst: 2, per: Duration::from_secs(1) };
        let verdicts: Vec<_> = (0..3).map(|_| rate.judge(now, &mut full_until)).collect();
        assert_eq!(verdicts[..2], [Verdict::Allowed; 2]);
        assert_eq!(verdicts[2], Verdict::Denied { retry_after: Duration::from_secs(1) });
    }

    #[test]
    fn a_lower_rate_takes_effect_at_once() {
        let now = Instant::now();
        let mut full_until = now;
        let generous = Rate { burst: 10, per: Duration::from_secs(1) };
        for _ in 0..5 {
            assert_eq!(generous.judge(now, &mut full_until), Verdict::Allowed);
        }
        let strict = Rate { burst: 1, per: Duration::from_secs(1) };
        assert_eq!(
            strict.judge(now, &mut full_until),
            Verdict::Denied { retry_after: Duration::from_secs(5) }
        );
    }
}
