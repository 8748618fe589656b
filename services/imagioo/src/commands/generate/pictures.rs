//! Pictures to start from: images that are there already, or files of this machine, which are uploaded first.

use std::path::Path;

use futures::stream;
use imagioo_proto::generation::v1::image_input::Source;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{ImageInput, UploadImageRequest};
use imagioo_types::ImageId;

use crate::backoff::patiently;
use crate::client::Client;
use crate::failure::Failure;

/// Bytes in one part of an upload.
const PART: usize = 256 * 1024;

/// Pictures to start from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pictures to start from")]
pub(crate) struct Pictures {
    /// A file (PNG, JPEG, WebP) or an image of yours (`img_…`); may be repeated, the one to change first
    #[arg(long, value_name = "FILE|NAME")]
    image: Vec<String>,
    /// White where to repaint, black where to keep, of the size of the first image
    #[arg(long, value_name = "FILE|NAME", requires = "image")]
    mask: Option<String>,
}

impl Pictures {
    pub(super) async fn references(&self, client: &Client) -> Result<Vec<ImageInput>, Failure> {
        let mut references = Vec::with_capacity(self.image.len());
        for picture in &self.image {
            references.push(input(client, picture).await?);
        }
        Ok(references)
    }

    pub(super) async fn mask(&self, client: &Client) -> Result<Option<ImageInput>, Failure> {
        match &self.mask {
            Some(picture) => input(client, picture).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A name, or the name that an uploaded file gets. The same file again keeps its name.
async fn input(client: &Client, picture: &str) -> Result<ImageInput, Failure> {
    let known = ImageId::from_name(picture).or_else(|_| picture.parse());
    let name = match known {
        Ok(id) => id.name(),
        Err(_) => upload(client, Path::new(picture)).await?,
    };
    Ok(ImageInput { source: Some(Source::Image(name)) })
}

async fn upload(client: &Client, path: &Path) -> Result<String, Failure> {
    let file = tokio::fs::read(path).await.map_err(|error| Failure::Input("picture", error))?;
    let parts: Vec<_> =
        file.chunks(PART).map(|part| UploadImageRequest { data: part.to_vec().into() }).collect();
    let answer = patiently(async || {
        client
            .call(parts.clone(), async |channel, request| {
                ImageServiceClient::new(channel).upload_image(request.map(stream::iter)).await
            })
            .await
    });
    let image = answer.await?.image.ok_or(Failure::Incomplete("an uploaded image"))?;
    Ok(image.name)
}
