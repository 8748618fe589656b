//! What an answer means. Pure: status and headers in, one decision out.

use http::{HeaderMap, StatusCode};
use imagioo_runtime::http::retry_after;
use time::{Duration, OffsetDateTime};

use super::config::WebhooksConfig;
use super::post::NoAnswer;

/// What is to be done about a delivery.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Received,
    /// Nobody wants events there any more.
    Gone,
    /// Again, not before this long.
    Again(Duration),
}

/// Decides. `attempt` counts from one, `luck` is uniform in 0..1.
pub(super) fn decide(
    outcome: &Result<(StatusCode, HeaderMap), NoAnswer>,
    (attempt, luck): (i32, f64),
    now: OffsetDateTime,
    config: &WebhooksConfig,
) -> Verdict {
    let back_off = back_off(attempt, luck, config);
    match outcome {
        Ok((status, _)) if status.is_success() => Verdict::Received,
        Ok((StatusCode::GONE, _)) => Verdict::Gone,
        Ok((_, headers)) => {
            let wished = retry_after(headers, now).and_then(|wait| Duration::try_from(wait).ok());
            Verdict::Again(wished.unwrap_or(Duration::ZERO).max(back_off))
        }
        Err(_) => Verdict::Again(back_off),
    }
}

/// Why an answer does not count as received, for people; nothing when it does.
pub(super) fn complaint(outcome: &Result<(StatusCode, HeaderMap), NoAnswer>) -> Option<String> {
    match outcome {
        Ok((status, _)) if status.is_success() => None,
        Ok((status, _)) if status.is_redirection() => {
            Some(format!("answered {}: redirects are not followed", status.as_u16()))
        }
        Ok((status, _)) => Some(format!("answered {}", status.as_u16())),
        Err(error) => Some(error.to_string()),
    }
}

/// Full jitter: anything up to base × 2ⁿ, at most the cap.
fn back_off(attempt: i32, luck: f64, config: &WebhooksConfig) -> Duration {
    let base = f64::from(config.backoff_base_seconds);
    let ceiling = (base * 2_f64.powi(attempt)).min(f64::from(config.backoff_cap_seconds));
    Duration::seconds_f64(ceiling * luck)
}

#[cfg(test)]
mod tests {
    use imagioo_runtime::Settings;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn config() -> WebhooksConfig {
        let settings =
            Settings::from_parts("gateway", crate::DEFAULTS, toml::Table::new()).expect("defaults");
        settings.read::<crate::Config>().expect("a configuration").webhooks
    }

    fn answered(status: u16, headers: &[(&'static str, &'static str)]) -> Verdict {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let outcome = Ok((StatusCode::from_u16(status).expect("a status"), headers.collect()));
        decide(&outcome, (1, 0.5), NOW, &config())
    }

    #[test]
    fn anything_from_200_to_299_is_received_and_410_ends_it() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status, &[]), Verdict::Received, "{status}");
        }
        assert_eq!(answered(410, &[]), Verdict::Gone);
        for status in [301, 302, 307, 400, 401, 404, 409, 429, 500, 503] {
            assert!(matches!(answered(status, &[]), Verdict::Again(_)), "{status}");
        }
    }

    #[test]
    fn a_wish_to_be_left_alone_is_honoured_and_never_shortens_the_wait() {
        assert_eq!(answered(503, &[("retry-after", "3600")]), Verdict::Again(Duration::HOUR));
        let date = [("retry-after", "Thu, 01 Jan 2026 02:00:00 GMT")];
        assert_eq!(answered(429, &date), Verdict::Again(Duration::hours(2)));
        let Verdict::Again(unwished) = answered(500, &[]) else { panic!("again") };
        assert_eq!(answered(500, &[("retry-after", "0")]), Verdict::Again(unwished));
    }

    #[test]
    fn waits_grow_to_the_cap_and_are_anything_below_it() {
        let config = config();
        let cap = Duration::seconds(config.backoff_cap_seconds.into());
        let ceiling = |attempt| back_off(attempt, 1.0, &config);
        assert_eq!(ceiling(1), Duration::seconds(2 * i64::from(config.backoff_base_seconds)));
        assert_eq!(ceiling(2), ceiling(1) * 2);
        assert_eq!(ceiling(30), cap);
        assert_eq!(ceiling(i32::MAX), cap);
        assert_eq!(back_off(30, 0.25, &config), cap / 4);
        assert_eq!(back_off(30, 0.0, &config), Duration::ZERO);
        // A delivery is tried often enough in its time, and not too often.
        let within = f64::from(config.retry_hours) * 3600.0;
        let mut spent = 0.0;
        let attempts = (1..).take_while(|attempt| {
            spent += back_off(*attempt, 0.5, &config).as_seconds_f64();
            spent < within
        });
        assert!((10..60).contains(&attempts.count()));
    }

    #[test]
    fn complaints_say_what_to_mend() {
        let answer =
            |status| complaint(&Ok((StatusCode::from_u16(status).expect("a status"), HeaderMap::new())));
        assert_eq!(answer(204), None);
        assert_eq!(answer(500).as_deref(), Some("answered 500"));
        assert_eq!(answer(302).as_deref(), Some("answered 302: redirects are not followed"));
        assert_eq!(complaint(&Err(NoAnswer::TimedOut)).as_deref(), Some("no answer in time"));
    }
}
