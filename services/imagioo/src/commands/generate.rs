//! `imagioo generate`.

mod create;
mod deliver;
mod pictures;
mod request;
mod routing;
pub(super) mod wish;

use std::path::{Path, PathBuf};

use imagioo_proto::generation::v1 as wire;

use crate::context::Context;
use crate::download::Saving;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::follow::{self, has_ended};
use crate::json::GenerationAnswer;
use crate::paths::Destination;
use crate::progress::Progress;
use crate::prompt;
use create::create;
use deliver::{deliver, tell};
use pictures::Pictures;
use request::request;
use routing::Routing;
use wish::Wish;

/// Options of `generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// What to draw; `-` reads it from standard input. Upscale, outpaint, remove-background and variation need none
    #[arg(default_value = "", hide_default_value = true)]
    prompt: String,
    /// Model to ask, see `imagioo models`; without it the profile's, else the first
    #[arg(long, short)]
    model: Option<String>,
    /// File or folder to save to; several images are numbered [default: GENERATION-INDEX here]
    #[arg(long, short, value_name = "PATH", conflicts_with = "no_wait")]
    output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, short, conflicts_with = "no_wait")]
    force: bool,
    /// How many images
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    count: i32,
    /// File format; without it the one that the name of `--output` promises, else the model's
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    routing: Routing,
    /// Fill in what is left out from a preset, see `imagioo presets`
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Refuse to pay more than this many credits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    max_credits: Option<i64>,
    /// Name of this request: repeating the command with it finds the same generation
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Wait for the images and save them; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Print the generation's name and leave
    #[arg(long)]
    no_wait: bool,
}

/// File format of an image.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Png,
    #[value(alias = "jpg")]
    Jpeg,
    Webp,
}

impl From<Format> for wire::ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Png => Self::Png,
            Format::Jpeg => Self::Jpeg,
            Format::Webp => Self::Webp,
        }
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let destination = destination(&args)?;
    let (force, no_wait) = (args.force, args.no_wait);
    let prompt = prompt::read(&args.prompt).await?;
    let client = context.client()?;
    let progress = Progress::new(context.output);
    progress.say("asking");
    let request = request(context, &client, args, prompt).await?;
    let accepted = create(&client, &request).await?;
    context.leave_behind(Some(&accepted.name));
    if no_wait {
        drop(progress);
        context.output.answer(&GenerationAnswer::from(&accepted), || vec![accepted.name.clone()])?;
        return Ok(Exit::Done);
    }
    let ended = if has_ended(&accepted) {
        accepted
    } else {
        follow::to_the_end(&client, &accepted.name, |sight| progress.show(&sight)).await?
    };
    let saving = Saving { destination, force, progress: &progress };
    let places = deliver(context, &client, &ended, &saving).await?;
    drop(progress);
    tell(context, &ended, &places)?;
    Ok(Exit::Done)
}

/// Where the images will go; what could not be saved is refused before it is paid for. A named request may be a
/// repetition whose files are there already: they are compared when the images arrive.
fn destination(args: &Args) -> Result<Destination, Failure> {
    if args.output.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage(
            "images are not written to standard output",
            "name a file with `--output`",
        ));
    }
    let destination = Destination::new(args.output.clone(), args.count > 1);
    let expected = if args.request_id.is_some() { 0 } else { args.count };
    destination.check(expected, args.force)?;
    Ok(destination)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        let arguments = ["generate"].iter().chain(arguments);
        Line::try_parse_from(arguments).map(|line| line.args)
    }

    #[test]
    fn waiting_is_the_default_and_the_last_word_counts() {
        assert!(!parse(&["a fox"]).expect("valid").no_wait);
        assert!(parse(&["a fox", "--no-wait"]).expect("valid").no_wait);
        assert!(!parse(&["a fox", "--no-wait", "--wait"]).expect("valid").no_wait);
    }

    #[test]
    fn impossible_wishes_are_refused_before_anything_is_asked() {
        for wishes in [
            &["x", "-n", "0"][..],
            &["x", "-n", "101"],
            &["x", "--max-credits=-1"],
            &["x", "--seed", "4294967296"],
        ] {
            assert!(parse(wishes).is_err(), "{wishes:?}");
        }
        assert!(parse(&["x", "--no-wait", "-o", "x.png"]).is_err());
    }

    #[test]
    fn a_repeated_request_may_meet_its_own_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let fox = folder.path().join("fox.png");
        std::fs::write(&fox, b"there already").expect("written");
        let path = fox.to_str().expect("text");
        assert!(destination(&parse(&["x", "-o", path]).expect("valid")).is_err());
        assert!(destination(&parse(&["x", "-o", path, "--request-id", "r"]).expect("valid")).is_ok());
        assert!(destination(&parse(&["x", "-o", path, "--force"]).expect("valid")).is_ok());
        assert!(destination(&parse(&["x", "-o", "-"]).expect("valid")).is_err());
    }
}
