//! Progress of a running job: many reports in, few hints out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use imagioo_picture::Format;
use tokio::sync::Notify;

/// Shortest time between two hints of one job: 4 a second.
pub(crate) const INTERVAL: Duration = Duration::from_millis(250);

/// Largest preview that is shown, in bytes; of a larger one a smaller copy is.
pub const MAX_PREVIEW: usize = 256 * 1024;

/// What is happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Getting ready, or finding out what an earlier worker did.
    Starting,
    /// The provider works.
    Generating,
    /// Results are stored and verified.
    Storing,
}

impl Stage {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Generating => "generating",
            Self::Storing => "storing",
        }
    }
}

/// A picture of an unfinished image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The place of the unfinished image within the generation.
    pub index: u32,
    /// Format of `data`.
    pub format: Format,
    /// The picture.
    pub data: Bytes,
}

/// What is worth telling next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is happening.
    pub stage: Stage,
    /// 0 to 100.
    pub percent: u32,
    /// The latest picture that was not told yet.
    pub preview: Option<Preview>,
}

/// Where an adapter reports how far a job has come. Cheap; reports that come too fast replace each other, and the
/// percentage never falls.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    untold: Option<Report>,
    highest: u32,
}

impl Progress {
    /// Reports a stage and a percentage, capped at 100.
    pub fn report(&self, stage: Stage, percent: u32) {
        self.put(Report { stage, percent: percent.min(100), preview: None });
    }

    /// Reports a picture of an unfinished image.
    pub fn preview(&self, percent: u32, preview: Preview) {
        self.put(Report { stage: Stage::Generating, percent: percent.min(100), preview: Some(preview) });
    }

    /// Waits for something to tell and takes it.
    pub async fn next(&self) -> Report {
        loop {
            let news = self.0.news.notified();
            if let Some(report) = self.state().untold.take() {
                return report;
            }
            news.await;
        }
    }

    fn put(&self, mut report: Report) {
        let mut state = self.state();
        report.percent = report.percent.max(state.highest);
        state.highest = report.percent;
        if let Some(earlier) = state.untold.take() {
            report.preview = report.preview.or(earlier.preview);
        }
        state.untold = Some(report);
        self.0.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_that_nobody_took_replace_each_other_but_keep_the_picture() {
        let progress = Progress::default();
        let preview = Preview { index: 1, format: Format::Png, data: Bytes::from_static(b"picture") };
        progress.report(Stage::Starting, 0);
        progress.preview(30, preview.clone());
        progress.report(Stage::Generating, 140);
        let expected = Report { stage: Stage::Generating, percent: 100, preview: Some(preview) };
        assert_eq!(progress.next().await, expected);
    }

    #[tokio::test]
    async fn the_percentage_never_falls() {
        let progress = Progress::default();
        progress.report(Stage::Generating, 75);
        assert_eq!(progress.next().await.percent, 75);
        progress.report(Stage::Storing, 0);
        assert_eq!(progress.next().await.percent, 75);
    }
}
