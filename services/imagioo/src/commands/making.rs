//! What all commands that make images share: their options, the request, waiting and saving.

mod create;
mod deliver;
pub(super) mod margins;
mod model;
pub(super) mod pictures;
pub(super) mod purpose;
pub(super) mod receiving;
pub(super) mod request;
pub(super) mod routing;
pub(super) mod settings;

pub(super) use create::once;

use std::path::Path;

use imagioo_proto::generation::v1::ImageFormat;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paths::promised_format;
use receiving::Receiving;
use request::Draft;
use routing::{Limits, Routing};
use settings::Style;

/// Options of every command that makes images from a prompt or a picture.
#[derive(Debug, clap::Args)]
pub(crate) struct Making {
    /// Model to ask, see `imagioo models`; without it the profile's if it can do this, else the first that can
    #[arg(long, short)]
    model: Option<String>,
    /// How many images
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    count: i32,
    /// File format; without it the one that the name of `--output` promises, else the model's
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    receiving: Receiving,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    routing: Routing,
    #[command(flatten)]
    limits: Limits,
    /// Fill in what is left out from a preset, see `imagioo presets`
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Refuse to pay more than this many credits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    max_credits: Option<i64>,
    /// Name of this request: repeating the command with it finds the same generation
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// File format of an image.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    Png,
    #[value(alias = "jpg")]
    Jpeg,
    Webp,
}

impl From<Format> for ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Png => Self::Png,
            Format::Jpeg => Self::Jpeg,
            Format::Webp => Self::Webp,
        }
    }
}

impl Making {
    /// The file format: the named one, else what the name of the file promises.
    fn format(&self) -> ImageFormat {
        let promised = self.receiving.output().and_then(promised_format);
        self.format.map(Into::into).or(promised).unwrap_or(ImageFormat::Unspecified)
    }

    /// Refuses, before anything is asked, what could not be saved. A named request may be a repetition whose files are
    /// there already: they are compared when the images arrive.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(in crate::commands) fn check(&self) -> Result<(), Failure> {
        let expected = if self.request_id.is_some() { 0 } else { self.count };
        self.receiving.destination(self.count)?.check(expected, self.receiving.force())
    }
}

/// Makes what the draft says and saves it.
///
/// # Errors
/// What is wrong with the options, what the server refuses, or why there is no image.
pub(super) async fn run(context: &Context, draft: Draft, making: Making) -> Result<Exit, Failure> {
    making.check()?;
    let client = context.client()?;
    let progress = making.receiving.progress(context.output);
    progress.say("asking");
    let request = request::complete(context, &client, &progress, draft, &making).await?;
    let accepted = create::create(&client, &request).await?;
    making.receiving.receive(context, &client, progress, accepted).await
}

/// Whether standard output is meant, to which no image is written.
fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        making: Making,
    }

    fn parse(arguments: &[&str]) -> Result<Making, clap::Error> {
        let arguments = ["generate"].iter().chain(arguments);
        Line::try_parse_from(arguments).map(|line| line.making)
    }

    #[test]
    fn impossible_wishes_are_refused_before_anything_is_asked() {
        for wishes in [&["-n", "0"][..], &["-n", "101"], &["--max-credits=-1"], &["--seed", "4294967296"]] {
            assert!(parse(wishes).is_err(), "{wishes:?}");
        }
        assert!(parse(&["--no-wait", "-o", "x.png"]).is_err());
    }

    #[test]
    fn a_repeated_request_may_meet_its_own_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let fox = folder.path().join("fox.png");
        std::fs::write(&fox, b"there already").expect("written");
        let path = fox.to_str().expect("text");
        assert!(parse(&["-o", path]).expect("valid").check().is_err());
        assert!(parse(&["-o", path, "--request-id", "r"]).expect("valid").check().is_ok());
        assert!(parse(&["-o", path, "--force"]).expect("valid").check().is_ok());
        assert!(parse(&["-o", "-"]).expect("valid").check().is_err());
    }

    #[test]
    fn the_name_of_a_file_promises_a_format_unless_one_is_named() {
        let format = |arguments: &[&str]| parse(arguments).expect("valid").format();
        assert_eq!(format(&["-o", "fox.webp"]), ImageFormat::Webp);
        assert_eq!(format(&["-o", "fox.webp", "--format", "jpg"]), ImageFormat::Jpeg);
        assert_eq!(format(&[]), ImageFormat::Unspecified);
    }
}
