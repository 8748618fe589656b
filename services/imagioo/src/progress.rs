//! A line on the terminal that shows how far things are.

use std::path::Path;
use std::time::Duration;

use imagioo_proto::generation::v1::{Generation, GenerationState};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::follow::{Sight, has_ended};
use crate::inline::Protocol;
use crate::output::{Output, tame};

const TEMPLATE: &str = "{spinner} {msg:<26} [{bar:30}] {percent:>3}% {elapsed:>4}";
const TICK: Duration = Duration::from_millis(120);

/// The line. It is drawn on standard error, if a person watches, and disappears with the value.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    pictures: Option<Protocol>,
}

impl Progress {
    /// A line for a command with this output.
    pub(crate) fn new(output: Output) -> Self {
        if !output.is_watched() {
            return Self { bar: ProgressBar::hidden(), pictures: None };
        }
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr())
            .with_style(style.progress_chars("=> "))
            .with_finish(ProgressFinish::AndClear);
        bar.enable_steady_tick(TICK);
        Self { bar, pictures: Protocol::of_terminal() }
    }

    /// The same line without pictures.
    pub(crate) fn without_pictures(self) -> Self {
        Self { pictures: None, ..self }
    }

    /// Whether pictures are shown.
    pub(crate) fn has_pictures(&self) -> bool {
        self.pictures.is_some()
    }

    /// Shows what is happening, without a measure.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Tells people something beside the answer, above the line.
    pub(crate) fn remark(&self, output: Output, text: &str) {
        self.bar.suspend(|| output.remark(text));
    }

    /// Shows where a generation is.
    pub(crate) fn show(&self, sight: &Sight<'_>) {
        match sight {
            Sight::Lost => self.say("connection lost, retrying"),
            Sight::Preview(_, preview) => self.picture(&preview.data),
            Sight::Changed(generation) => {
                self.bar.set_length(100);
                self.bar.set_position(percent(generation));
                self.say(&stage(generation));
            }
        }
    }

    /// Shows a picture above the line, where the terminal can.
    pub(crate) fn picture(&self, picture: &[u8]) {
        if let Some(protocol) = self.pictures {
            self.bar.suspend(|| protocol.show(picture));
        }
    }

    /// Shows a saved image, where the terminal can; one that is away again is not worth a word.
    pub(crate) fn saved(&self, place: &Path) {
        if self.pictures.is_some()
            && let Ok(image) = std::fs::read(place)
        {
            self.picture(&image);
        }
    }

    /// Shows that image `number` of `count` has come this far.
    pub(crate) fn saving(&self, number: usize, count: usize) {
        self.bar.set_position(0);
        self.say(&if count == 1 { "saving".to_owned() } else { format!("saving {number} of {count}") });
    }

    /// Shows how many bytes have arrived.
    pub(crate) fn arrived(&self, bytes: u64, of: u64) {
        self.bar.set_length(of.max(1));
        self.bar.set_position(bytes);
    }
}

fn percent(generation: &Generation) -> u64 {
    if has_ended(generation) {
        return 100;
    }
    let percent = generation.progress.as_ref().map(|progress| progress.percent).unwrap_or_default();
    u64::try_from(percent.clamp(0, 100)).unwrap_or_default()
}

/// Where a generation is, in a few words.
pub(crate) fn stage(generation: &Generation) -> String {
    match generation.state() {
        GenerationState::Queued => match generation.queue_position {
            Some(ahead @ 1..) => format!("queued, {ahead} ahead"),
            _ => "queued, next in line".to_owned(),
        },
        GenerationState::Dispatched => "about to start".to_owned(),
        GenerationState::Running => {
            let stage = generation.progress.as_ref().map(|progress| progress.stage.as_str());
            tame(stage.filter(|stage| !stage.is_empty()).unwrap_or("running"))
        }
        GenerationState::Succeeded => "done".to_owned(),
        GenerationState::Failed => "failed".to_owned(),
        GenerationState::Cancelled => "cancelled".to_owned(),
        GenerationState::Unspecified => "accepted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1 as wire;

    use super::*;

    #[test]
    fn the_template_is_one_that_can_be_drawn() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn a_person_sees_the_place_in_the_queue_then_the_stage_and_the_percentage() {
        let mut generation = Generation { queue_position: Some(3), ..Generation::default() };
        generation.set_state(GenerationState::Queued);
        assert_eq!(stage(&generation), "queued, 3 ahead");
        generation.set_state(GenerationState::Running);
        generation.progress = Some(wire::Progress { stage: "storing".to_owned(), percent: 250 });
        assert_eq!((stage(&generation).as_str(), percent(&generation)), ("storing", 100));
    }
}
