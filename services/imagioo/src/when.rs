//! Instants as people and programs read them.

use prost_types::Timestamp;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

const MINUTE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// The instant of a message, if it is one that the calendar has.
pub(crate) fn instant(at: &Timestamp) -> Option<OffsetDateTime> {
    let whole = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    whole.checked_add(Duration::nanoseconds(i64::from(at.nanos)))
}

/// The instant as a message has it.
pub(crate) fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: at.unix_timestamp(), nanos: i32::try_from(at.nanosecond()).unwrap_or_default() }
}

/// RFC 3339, for programs.
pub(crate) fn exact(at: Option<&Timestamp>) -> Option<String> {
    at.and_then(instant)?.format(&Rfc3339).ok()
}

/// To the minute, for people; a dash when there is none.
pub(crate) fn minute(at: Option<&Timestamp>) -> String {
    let formatted = at.and_then(instant).and_then(|at| at.format(MINUTE).ok());
    formatted.unwrap_or_else(|| "-".to_owned())
}

/// How long ago, in the largest whole unit, such as `3h`; `0s` for what the clocks disagree about.
pub(crate) fn age(at: Option<&Timestamp>, now: OffsetDateTime) -> String {
    let Some(at) = at.and_then(instant) else { return "-".to_owned() };
    let seconds = (now - at).whole_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A length of time in seconds; 0 for none.
pub(crate) fn seconds(length: Option<&prost_types::Duration>) -> f64 {
    length.map_or(0.0, |length| length.seconds as f64 + f64::from(length.nanos) / 1e9)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_instant_reads_back_and_is_shown_exactly_and_briefly() {
        let at = timestamp(datetime!(2026-03-04 05:06:07.5 UTC));
        assert_eq!(instant(&at), Some(datetime!(2026-03-04 05:06:07.5 UTC)));
        assert_eq!(exact(Some(&at)).as_deref(), Some("2026-03-04T05:06:07.5Z"));
        assert_eq!(minute(Some(&at)), "2026-03-04 05:06 UTC");
        assert_eq!(minute(None), "-");
    }

    #[test]
    fn ages_use_the_largest_whole_unit_and_are_never_negative() {
        let now = datetime!(2026-03-04 05:06:07 UTC);
        let age_of = |seconds| age(Some(&timestamp(now - Duration::seconds(seconds))), now);
        assert_eq!(
            [age_of(-5), age_of(59), age_of(60), age_of(7_300), age_of(200_000)],
            ["0s", "59s", "1m", "2h", "2d"]
        );
    }

    #[test]
    fn an_impossible_timestamp_is_shown_as_none() {
        let at = Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(exact(Some(&at)), None);
        assert_eq!(minute(Some(&at)), "-");
    }
}
