//! `imagioo download`.

use std::path::PathBuf;

use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{GetImageRequest, Image};
use imagioo_types::ImageId;
use serde::Serialize;

use super::show;
use crate::client::Client;
use crate::context::Context;
use crate::download::Saving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::has_ended;
use crate::json::ImageAnswer;
use crate::names::{self, Downloadable};
use crate::paths::Destination;
use crate::progress::Progress;

/// Options of `download`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A generation or an image, such as gen_… or img_…
    name: String,
    /// File or folder to save to; several images are numbered
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, short)]
    force: bool,
}

#[derive(Serialize)]
struct Answer {
    images: Vec<ImageAnswer>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let wanted = names::downloadable(&args.name)?;
    let client = context.client()?;
    let (images, several) = match wanted {
        Downloadable::Image(id) => (vec![image(&client, id).await?], false),
        Downloadable::Generation(id) => {
            let generation = show::get(&client, id).await?;
            if generation.images.is_empty() {
                let name = generation.name.clone();
                return Err(if has_ended(&generation) {
                    Failure::NotFound(format!("{name} has no images"))
                } else {
                    Failure::Unfinished(name)
                });
            }
            (generation.images, generation.count > 1)
        }
    };
    let progress = Progress::new(context.output);
    let destination = Destination::new(args.output, several);
    destination.check(0, args.force)?;
    let places = Saving { destination, force: args.force, progress: &progress }.all(&client, &images).await?;
    drop(progress);
    let saved = images.iter().zip(&places).map(|(image, place)| ImageAnswer::saved_at(image, place));
    context.output.answer(&Answer { images: saved.collect() }, || {
        places.iter().map(|place| place.display().to_string()).collect()
    })?;
    Ok(Exit::Done)
}

async fn image(client: &Client, id: ImageId) -> Result<Image, Failure> {
    let message = GetImageRequest { name: id.name() };
    let answer = client
        .call(message, async |channel, request| ImageServiceClient::new(channel).get_image(request).await)
        .await?;
    answer.image.ok_or(Failure::Incomplete("the image"))
}
