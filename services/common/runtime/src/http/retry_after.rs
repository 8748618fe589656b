//! How long a server wants to be left alone.

use std::time::Duration;

use reqwest::header::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Longest wait that is taken from a server.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long the server wants to be left alone: milliseconds, seconds, or until a date; at most a day.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let number = |name| header(headers, name)?.trim().parse::<f64>().ok();
    let seconds =
        number("retry-after-ms").map(|milliseconds| milliseconds / 1000.0).or_else(|| number("retry-after"));
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => {
            let date = OffsetDateTime::parse(header(headers, "retry-after")?, &Rfc2822).ok()?;
            (date - now).try_into().unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn waits(name: &'static str, value: &'static str) -> Option<Duration> {
        let headers = [(name, value)].into_iter();
        retry_after(
            &headers
                .map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")))
                .collect(),
            NOW,
        )
    }

    #[test]
    fn the_wished_wait_is_read_in_all_its_forms() {
        assert_eq!(waits("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(waits("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(waits("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(waits("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(waits("retry-after", "Thu, 01 Jan 2025 00:00:30 GMT"), Some(Duration::ZERO));
        assert_eq!(waits("retry-after", "99999999999"), Some(LONGEST_WAIT));
        for nonsense in ["-1", "NaN", "soon", ""] {
            assert_eq!(waits("retry-after", nonsense), None, "{nonsense}");
        }
    }
}
