//! Pictures to start from: images that are there already, or files of this machine, which are uploaded first.

use std::io;
use std::path::Path;

use futures::stream;
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{GetImageRequest, Image, ImageInput, UploadImageRequest};

use crate::backoff::patiently;
use crate::client::Client;
use crate::commands::list::short;
use crate::commands::show;
use crate::failure::Failure;
use crate::names::{self, Downloadable};

/// Bytes in one part of an upload.
const PART: usize = 256 * 1024;

/// An input with this picture: a file, or the name of an image or of a generation with one image.
pub(super) async fn input(client: &Client, picture: &str) -> Result<ImageInput, Failure> {
    let name = match image_name(client, picture).await? {
        Some(name) => name,
        None => upload(client, Path::new(picture)).await?.name,
    };
    Ok(ImageInput { source: Some(Source::Image(name)) })
}

/// The image behind a picture: what is known of it on the server. The same file again is the same image.
///
/// # Errors
/// [`Failure::Usage`] when it is neither a file nor a name, or what the server refuses.
pub(in crate::commands) async fn image(client: &Client, picture: &str) -> Result<Image, Failure> {
    match image_name(client, picture).await? {
        Some(name) => get(client, name).await,
        None => upload(client, Path::new(picture)).await,
    }
}

/// The name of an image of the caller; nothing for what must be a file.
async fn image_name(client: &Client, picture: &str) -> Result<Option<String>, Failure> {
    let Ok(named) = names::downloadable(picture) else { return Ok(None) };
    let id = match named {
        Downloadable::Image(id) => return Ok(Some(id.name())),
        Downloadable::Generation(id) => id,
    };
    let images = show::get(client, id).await?.images;
    match &images[..] {
        [image] => Ok(Some(image.name.clone())),
        [] => {
            Err(Failure::usage(format!("{picture} has no image"), "`imagioo show` tells what became of it"))
        }
        _ => {
            let names: Vec<_> = images.iter().map(|image| short(&image.name)).collect();
            let message = format!("{picture} has {} images: {}", images.len(), names.join(", "));
            Err(Failure::usage(message, "name one of them"))
        }
    }
}

async fn get(client: &Client, name: String) -> Result<Image, Failure> {
    let answer = client
        .call(GetImageRequest { name }, async |channel, request| {
            ImageServiceClient::new(channel).get_image(request).await
        })
        .await?;
    answer.image.ok_or(Failure::Incomplete("the image"))
}

async fn upload(client: &Client, path: &Path) -> Result<Image, Failure> {
    let file = tokio::fs::read(path).await.map_err(|source| unreadable(path, source))?;
    let parts: Vec<_> =
        file.chunks(PART).map(|part| UploadImageRequest { data: part.to_vec().into() }).collect();
    let answer = patiently(async || {
        client
            .call(parts.clone(), async |channel, request| {
                ImageServiceClient::new(channel).upload_image(request.map(stream::iter)).await
            })
            .await
    });
    answer.await?.image.ok_or(Failure::Incomplete("an uploaded image"))
}

/// Who names what is not there may have meant either.
fn unreadable(path: &Path, source: io::Error) -> Failure {
    if source.kind() == io::ErrorKind::NotFound {
        return Failure::usage(
            format!("there is no file {}", path.display()),
            "name a PNG, JPEG or WebP file, an image (`img_…`), or a generation (`gen_…`)",
        );
    }
    Failure::File { doing: "read", path: path.to_owned(), source }
}
