//! `imagioo upscale`.

use imagioo_proto::generation::v1::{GenerationSettings, Operation};

use super::making::request::Draft;
use super::making::{self, Making};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::prompt;

/// Options of `upscale`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The picture: a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`)
    #[arg(value_name = "FILE|NAME")]
    image: String,
    /// How many times wider and higher; without it the model's first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=16))]
    factor: Option<i32>,
    /// What is to be seen, for models that want to know; `-` reads it from standard input
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prompt: String,
    #[command(flatten)]
    making: Making,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let draft = Draft {
        operation: Operation::Upscale,
        prompt: prompt::read(&args.prompt).await?,
        pictures: vec![args.image],
        mask: None,
        settings: GenerationSettings { upscale_factor: args.factor, ..GenerationSettings::default() },
    };
    making::run(context, draft, args.making).await
}
