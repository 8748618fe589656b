//! `imagioo.generation.v1.ImageService`.

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::image_service_server::ImageService;
use imagioo_rpc::{Code, RpcError, caller, page, validated};
use imagioo_storage::ObjectKey;
use imagioo_types::ImageId;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, bad_name};
use crate::app::App;
use crate::error::Error;
use crate::generations::read;
use crate::uploads;

/// Most bytes in one part of a download.
const CHUNK: usize = 64 * 1024;

/// The caller's images.
pub(crate) struct Images {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl ImageService for Images {
    async fn get_image(
        &self,
        request: Request<wire::GetImageRequest>,
    ) -> Result<Response<wire::GetImageResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = ImageId::from_name(&message.name).map_err(bad_name("name"))?;
        let image = read::image(&self.app, &caller, id).await?;
        Ok(Response::new(wire::GetImageResponse { image: Some(convert::image(image)) }))
    }

    async fn list_images(
        &self,
        request: Request<wire::ListImagesRequest>,
    ) -> Result<Response<wire::ListImagesResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let limit = page::size(message.page_size);
        let before = page::decode(&message.page_token)?.map(ImageId::from_uuid);
        let found = read::images(&self.app, &caller, before, limit).await?;
        let next_page_token = match found.last() {
            Some(last) if found.len() as i64 == limit => page::encode(&last.id.uuid())?,
            _ => String::new(),
        };
        let images = found.into_iter().map(convert::image).collect();
        Ok(Response::new(wire::ListImagesResponse { images, next_page_token }))
    }

    type DownloadImageStream = BoxStream<'static, Result<wire::DownloadImageResponse, Status>>;

    async fn download_image(
        &self,
        request: Request<wire::DownloadImageRequest>,
    ) -> Result<Response<Self::DownloadImageStream>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = ImageId::from_name(&message.name).map_err(bad_name("name"))?;
        let image = read::image(&self.app, &caller, id).await?;
        if message.offset > image.size_bytes {
            let most = format!("must be at most {}", image.size_bytes);
            return Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
                .field("offset", most)
                .into());
        }
        let key: ObjectKey = image.object_key.parse().map_err(RpcError::internal)?;
        let offset = u64::try_from(message.offset).unwrap_or_default();
        let reading = self.app.storage.read_from(&key, offset).await.map_err(Error::from)?;
        let reading = reading.ok_or_else(|| RpcError::internal("an image's object is missing"))?;
        let part = |part| wire::DownloadImageResponse { part: Some(part) };
        let head = part(wire::download_image_response::Part::Image(convert::image(image)));
        let body = reading
            .bytes
            .map_err(|error| Status::from(Error::from(error)))
            .map_ok(|bytes| stream::iter(split(bytes).map(Ok)))
            .try_flatten()
            .map_ok(move |bytes| part(wire::download_image_response::Part::Data(bytes)));
        Ok(Response::new(stream::iter([Ok(head)]).chain(body).boxed()))
    }

    async fn upload_image(
        &self,
        request: Request<Streaming<wire::UploadImageRequest>>,
    ) -> Result<Response<wire::UploadImageResponse>, Status> {
        let caller = caller(&request)?;
        let file = receive(&self.app, &mut request.into_inner()).await?;
        let user = caller.identity.user;
        let upload = uploads::verify(&self.app, user, file, "data").await?;
        let image = uploads::keep(&self.app, user, upload).await?;
        Ok(Response::new(wire::UploadImageResponse { image: Some(convert::image(image)) }))
    }
}

/// The whole file of an upload; refused as soon as it is too long.
async fn receive(app: &App, parts: &mut Streaming<wire::UploadImageRequest>) -> Result<Bytes, Status> {
    let mut file = BytesMut::new();
    while let Some(part) = parts.message().await? {
        let part = validated(part)?.data;
        uploads::check_length(app, file.len() + part.len(), "data")?;
        file.extend_from_slice(&part);
    }
    Ok(file.freeze())
}

/// Pieces of at most [`CHUNK`] bytes, without copying.
fn split(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let size = bytes.len().min(CHUNK);
        (size > 0).then(|| bytes.split_to(size))
    })
}
