//! Percentiles of latencies and the spread of figures over rounds.

use std::fmt;
use std::time::Duration;

/// A figure over several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure; nothing of none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let half = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[half]
        } else {
            f64::midpoint(figures[half - 1], figures[half])
        };
        Some(Self { median, min, max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { median, min, max } = self;
        write!(f, "{median:.digits$} ({min:.digits$}..{max:.digits$})")
    }
}

/// How steep the straight line through these points is (least squares).
pub(crate) fn slope(points: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<_> = points.into_iter().collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let joint: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    joint / spread
}

/// The latency in milliseconds that `share` of them (0 to 1) do not exceed, by nearest rank; they ascend.
pub(crate) fn percentile_ms(ascending: &[Duration], share: f64) -> f64 {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    let found = ascending.get(rank.saturating_sub(1)).or(ascending.last());
    found.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_happened() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (0.999, 100.0), (0.0, 1.0), (1.0, 100.0)] {
            assert_eq!(percentile_ms(&hundred, share), expected, "{share}");
        }
        assert!(percentile_ms(&[], 0.5).is_nan());
    }

    #[test]
    fn a_line_has_its_own_slope() {
        assert_eq!(slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0);
        assert!(slope([(1.0, 1.0)]).is_nan());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_spread_is_shown_with_its_ends() {
        let spread = Spread { median: 1.234, min: 1.0, max: 2.0 };
        assert_eq!(
            (format!("{spread}"), format!("{spread:.0}")),
            ("1.23 (1.00..2.00)".into(), "1 (1..2)".into())
        );
    }
}
