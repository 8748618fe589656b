//! Waiting for the images of a generation, saving them, showing them.

use std::path::{Path, PathBuf};

use imagioo_proto::generation::v1::Generation;

use super::{deliver, is_standard_output};
use crate::client::Client;
use crate::context::Context;
use crate::download::Saving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, has_ended};
use crate::json::GenerationAnswer;
use crate::output::Output;
use crate::paths::Destination;
use crate::progress::Progress;

/// What becomes of the images.
#[derive(Debug, clap::Args)]
pub(crate) struct Receiving {
    /// File or folder to save to; several images are numbered [default: GENERATION-INDEX here]
    #[arg(long, visible_alias = "out", short, value_name = "PATH", conflicts_with = "no_wait")]
    output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, short, conflicts_with = "no_wait")]
    force: bool,
    /// Wait for the images and save them; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Print the generation's name and leave
    #[arg(long)]
    no_wait: bool,
    /// Show no pictures, even where the terminal can
    #[arg(long)]
    no_previews: bool,
}

impl Receiving {
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    pub(in crate::commands) fn force(&self) -> bool {
        self.force
    }

    /// Where so many images would go.
    ///
    /// # Errors
    /// [`Failure::Usage`] for standard output.
    pub(in crate::commands) fn destination(&self, count: i32) -> Result<Destination, Failure> {
        if self.output().is_some_and(is_standard_output) {
            return Err(Failure::usage(
                "images are not written to standard output",
                "name a file with `--output`",
            ));
        }
        Ok(Destination::new(self.output.clone(), count > 1))
    }

    /// The line that shows how far things are.
    pub(in crate::commands) fn progress(&self, output: Output) -> Progress {
        let progress = Progress::new(output);
        if self.no_previews { progress.without_pictures() } else { progress }
    }

    /// Waits for an accepted generation and saves what it delivers, or only names it.
    ///
    /// # Errors
    /// Why there is no image, or why it cannot be saved.
    pub(in crate::commands) async fn receive(
        &self,
        context: &Context,
        client: &Client,
        progress: Progress,
        accepted: Generation,
    ) -> Result<Exit, Failure> {
        let output = context.output;
        context.leave_behind(Some(&accepted.name));
        if self.no_wait {
            drop(progress);
            output.answer(&GenerationAnswer::from(&accepted), || vec![accepted.name.clone()])?;
            return Ok(Exit::Done);
        }
        let ended = if has_ended(&accepted) {
            accepted
        } else {
            follow::to_the_end(client, &accepted.name, |sight| progress.show(&sight)).await?
        };
        let destination = self.destination(ended.count)?;
        let saving = Saving { destination, force: self.force, progress: &progress };
        let places = deliver::deliver(context, client, &ended, &saving).await?;
        drop(progress);
        deliver::tell(context, &ended, &places)?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        receiving: Receiving,
    }

    #[test]
    fn waiting_is_the_default_and_the_last_word_counts() {
        for (arguments, no_wait) in
            [(&[][..], false), (&["--no-wait"], true), (&["--no-wait", "--wait"], false)]
        {
            let line = Line::try_parse_from(["generate"].iter().chain(arguments)).expect("valid");
            assert_eq!(line.receiving.no_wait, no_wait, "{arguments:?}");
        }
    }
}
