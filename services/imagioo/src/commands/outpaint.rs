//! `imagioo outpaint`.

use imagioo_proto::generation::v1::{GenerationSettings, Margins, Operation};

use super::making::margins::{Frame, frame, margins};
use super::making::request::Draft;
use super::making::{self, Making, pictures};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::prompt;

/// Options of `outpaint`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The picture to continue: a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`)
    #[arg(value_name = "FILE|NAME")]
    image: String,
    /// What is to be seen there; `-` reads it from standard input
    #[arg(default_value = "", hide_default_value = true)]
    prompt: String,
    #[command(flatten)]
    room: Room,
    #[command(flatten)]
    making: Making,
}

/// How much to add.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Room {
    /// Pixels to add at the left, top, right and bottom, such as 256,0,256,0
    #[arg(long, value_name = "L,T,R,B", value_parser = margins)]
    margins: Option<Margins>,
    /// Width and height that the picture is to have, itself in the middle, such as 1536x1024
    #[arg(long, value_name = "WxH", value_parser = frame)]
    to: Option<Frame>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let prompt = prompt::read(&args.prompt).await?;
    let (margins, picture) = match args.room.to {
        Some(frame) => {
            args.making.check()?;
            let image = pictures::image(&context.client()?, &args.image).await?;
            (Some(frame.around(&image)?), image.name)
        }
        None => (args.room.margins, args.image),
    };
    let draft = Draft {
        operation: Operation::Outpaint,
        prompt,
        pictures: vec![picture],
        mask: None,
        settings: GenerationSettings { margins, ..GenerationSettings::default() },
    };
    making::run(context, draft, args.making).await
}
