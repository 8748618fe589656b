//! `imagioo generate`.

use super::making::purpose::Purpose;
use super::making::request::Draft;
use super::making::{self, Making};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::prompt;

/// Options of `generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// What to draw; `-` reads it from standard input. Upscale, outpaint, remove-background and variation need none
    #[arg(default_value = "", hide_default_value = true)]
    prompt: String,
    /// Start from a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`); may be repeated, the
    /// one to change first
    #[arg(long, value_name = "FILE|NAME")]
    image: Vec<String>,
    /// White where to repaint, black where to keep, of the size of the first image
    #[arg(long, value_name = "FILE|NAME", requires = "image")]
    mask: Option<String>,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    purpose: Purpose,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let draft = Draft {
        operation: args.purpose.operation(),
        prompt: prompt::read(&args.prompt).await?,
        pictures: args.image,
        mask: args.mask,
        settings: args.purpose.settings(),
    };
    making::run(context, draft, args.making).await
}
