//! `imagioo inpaint`.

use imagioo_proto::generation::v1::{GenerationSettings, Operation};

use super::making::request::Draft;
use super::making::{self, Making};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::prompt;

/// Options of `inpaint`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The picture to repaint: a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`)
    #[arg(value_name = "FILE|NAME")]
    image: String,
    /// What to paint there; `-` reads it from standard input
    prompt: String,
    /// White where to repaint, black where to keep; of the size of the picture
    #[arg(long, value_name = "FILE|NAME")]
    mask: String,
    /// Another picture to go by; may be repeated
    #[arg(long, value_name = "FILE|NAME")]
    with: Vec<String>,
    #[command(flatten)]
    making: Making,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let draft = Draft {
        operation: Operation::Inpaint,
        prompt: prompt::read(&args.prompt).await?,
        pictures: [vec![args.image], args.with].concat(),
        mask: Some(args.mask),
        settings: GenerationSettings::default(),
    };
    making::run(context, draft, args.making).await
}
