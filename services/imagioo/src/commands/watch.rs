//! `imagioo watch`.

use imagioo_proto::generation::v1::{Generation, GenerationState, Preview};
use serde::Serialize;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::follow::{self, Sight, has_ended};
use crate::inline::Protocol;
use crate::json::GenerationAnswer;
use crate::names;
use crate::output::{Output, credits, tame};
use crate::progress::stage;
use crate::when;

/// Options of `watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The generation, such as gen_…; without one all of yours are followed until you interrupt
    name: Option<String>,
    /// Begin with what ended since then: the last `cursor` of `watch --json`
    #[arg(long, value_name = "CURSOR", conflicts_with = "name")]
    cursor: Option<String>,
    /// Show no pictures, even where the terminal can
    #[arg(long)]
    no_previews: bool,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    generation: GenerationAnswer,
    /// Where to go on; absent for one generation.
    #[serde(skip_serializing_if = "str::is_empty")]
    cursor: &'a str,
}

/// What is written where.
struct Screen {
    output: Output,
    pictures: Option<Protocol>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let pictures = if args.no_previews || context.output.is_json() { None } else { Protocol::of_terminal() };
    let screen = Screen { output: context.output, pictures };
    let client = context.client()?;
    let Some(name) = args.name else {
        follow::all(&client, args.cursor.unwrap_or_default(), |sight, cursor| screen.show(&sight, cursor))
            .await?;
        return Ok(Exit::Done);
    };
    let mut written = Ok(());
    let name = names::generation(&name)?.name();
    let ended = follow::to_the_end(&client, &name, |sight| {
        if written.is_ok() {
            written = screen.show(&sight, "");
        }
    });
    let ended = ended.await?;
    written?;
    match ended.state() {
        GenerationState::Succeeded => {
            screen.output.remark(&format!("`imagioo download {}` saves the images", short(&ended.name)));
            Ok(Exit::Done)
        }
        GenerationState::Cancelled => Err(Failure::Cancelled(ended.name)),
        _ => Err(Failure::Generation(ended.name, Box::new(ended.failure.unwrap_or_default()))),
    }
}

impl Screen {
    fn show(&self, sight: &Sight<'_>, cursor: &str) -> Result<(), Failure> {
        match sight {
            Sight::Changed(generation) if self.output.is_json() => {
                self.output.object(&Line { generation: GenerationAnswer::from(*generation), cursor })
            }
            Sight::Changed(generation) => self.output.line(&line(generation)),
            Sight::Preview(name, preview) => {
                self.picture(name, preview);
                Ok(())
            }
            Sight::Lost => {
                self.output.remark("connection lost, retrying");
                Ok(())
            }
        }
    }

    fn picture(&self, name: &str, preview: &Preview) {
        if let Some(protocol) = self.pictures {
            self.output.remark(&format!("{}  a preview of image {}", short(name), preview.index));
            protocol.show(&preview.data);
        }
    }
}

/// A generation in one line.
fn line(generation: &Generation) -> String {
    let mut words = vec![stage(generation)];
    if let Some(progress) = generation.progress.as_ref().filter(|_| !has_ended(generation)) {
        words.push(format!("{}%", progress.percent));
    }
    if has_ended(generation) {
        words.push(format!("{} of {} images", generation.images.len(), generation.count));
        words.push(credits(generation.charge));
    }
    if let Some(estimate) = &generation.estimate {
        let left = |length| when::seconds(length).ceil();
        words.push(format!("{} to {} s left", left(estimate.median.as_ref()), left(estimate.p90.as_ref())));
    }
    words.extend(
        generation.failure.as_ref().map(|failure| format!("{} ({})", failure.message, failure.reason)),
    );
    tame(&format!("{}  {}", short(&generation.name), words.join(", ")))
}

fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::{Estimate, Image, Progress};

    use super::*;

    fn generation(state: GenerationState) -> Generation {
        let name = "generations/gen_1".to_owned();
        Generation { name, state: state.into(), count: 2, ..Generation::default() }
    }

    #[test]
    fn a_line_says_where_it_is_how_long_it_takes_and_what_came_of_it() {
        let length = |seconds| Some(prost_types::Duration { seconds, nanos: 400_000_000 });
        let waiting = Generation {
            queue_position: Some(3),
            estimate: Some(Estimate { median: length(39), p90: length(79), ..Estimate::default() }),
            ..generation(GenerationState::Queued)
        };
        assert_eq!(line(&waiting), "gen_1  queued, 3 ahead, 40 to 80 s left");
        let running = Generation {
            progress: Some(Progress { stage: "generating".to_owned(), percent: 40 }),
            ..generation(GenerationState::Running)
        };
        assert_eq!(line(&running), "gen_1  generating, 40%");
        let done = Generation {
            images: vec![Image::default()],
            charge: 4,
            ..generation(GenerationState::Succeeded)
        };
        assert_eq!(line(&done), "gen_1  done, 1 of 2 images, 4 credits");
    }
}
