//! `imagioo vary`.

use imagioo_proto::generation::v1::{GenerationSettings, Operation};

use super::making::request::Draft;
use super::making::{self, Making};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::prompt;

/// Options of `vary`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The picture to resemble: a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`)
    #[arg(value_name = "FILE|NAME")]
    image: String,
    /// What is to be seen, for models that want to know; `-` reads it from standard input
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prompt: String,
    #[command(flatten)]
    making: Making,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let draft = Draft {
        operation: Operation::Variation,
        prompt: prompt::read(&args.prompt).await?,
        pictures: vec![args.image],
        mask: None,
        settings: GenerationSettings::default(),
    };
    making::run(context, draft, args.making).await
}
