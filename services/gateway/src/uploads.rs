//! Pictures that their owners bring along: verified before anything is kept, and kept once. The file of an image of
//! theirs is that image, so that an edit of a downloaded file knows what it comes from.

use bytes::Bytes;
use imagioo_picture::{Unusable, Verified};
use imagioo_rpc::{Code, RpcError};
use imagioo_storage::ObjectKey;
use imagioo_types::{ImageId, UserId};

use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::generation::Image;

mod turns;

pub(crate) use turns::Turns;

/// A file that is a picture.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    file: Bytes,
    pub(crate) verified: Verified,
}

/// Reads the whole file of a user; `field` is where it came from.
pub(crate) async fn verify(
    app: &App,
    user: UserId,
    file: Bytes,
    field: &'static str,
) -> Result<Upload, RpcError> {
    check_length(app, file.len(), field)?;
    let turn = app.turns_to_read.take(user).await;
    match app.verifier.verify(turn.reads(file.clone())).await {
        Ok(verified) => Ok(Upload { file, verified }),
        Err(error @ (Unusable::Stopped(_) | Unusable::Closed(_))) => Err(RpcError::internal(error)),
        Err(error) => Err(RpcError::new(Code::ImageUnusable, "the picture cannot be used")
            .field(field, format!("{error}: send a whole, single PNG, JPEG or WebP"))),
    }
}

/// The mask that is white where this one is transparent, as those of OpenAI are.
pub(crate) async fn mask(app: &App, user: UserId, file: Bytes) -> Result<Bytes, RpcError> {
    check_length(app, file.len(), "mask")?;
    let turn = app.turns_to_read.take(user).await;
    match app.verifier.white_where_transparent(turn.reads(file)).await {
        Ok(mask) => Ok(mask),
        Err(error @ (Unusable::Stopped(_) | Unusable::Closed(_))) => Err(RpcError::internal(error)),
        Err(error) => Err(RpcError::new(Code::ImageUnusable, "the mask cannot be used")
            .field("mask", format!("{error}: send a PNG that is transparent where to edit"))),
    }
}

/// Refuses a file that is too long, as soon as so many bytes of it are known.
pub(crate) fn check_length(app: &App, length: usize, field: &'static str) -> Result<(), RpcError> {
    let most = app.config.uploads.max_bytes;
    if length as u64 <= most {
        return Ok(());
    }
    Err(RpcError::new(Code::TooLarge, "the picture is too large")
        .field(field, format!("must have at most {most} bytes")))
}

/// The image of the owner that is this file, made here or uploaded before.
pub(crate) async fn find(app: &App, owner: UserId, upload: &Upload) -> Result<Option<Image>, Error> {
    let mut conn = app.pool.acquire().await?;
    Ok(db::images::find_file(&mut conn, owner, &upload.verified.sha256).await?)
}

/// Keeps an upload; the same file of the same owner is kept once.
pub(crate) async fn keep(app: &App, owner: UserId, upload: Upload) -> Result<Image, Error> {
    if let Some(image) = find(app, owner, &upload).await? {
        return Ok(image);
    }
    let Upload { file, verified } = upload;
    let id = ImageId::generate();
    let key = ObjectKey::upload(owner, id);
    let image = Image {
        id,
        generation: None,
        owner,
        index: 0,
        object_key: key.to_string(),
        format: verified.format,
        width: i32::try_from(verified.width).unwrap_or(i32::MAX),
        height: i32::try_from(verified.height).unwrap_or(i32::MAX),
        size_bytes: i64::try_from(file.len()).unwrap_or(i64::MAX),
        sha256: verified.sha256.to_vec(),
        seed: None,
        created_at: app.clock.now(),
    };
    app.storage.create(&key, file).await?;
    let kept = db::images::insert_upload(&mut *app.pool.acquire().await?, &image).await?;
    if kept.id != id
        && let Err(error) = app.storage.delete(&key).await
    {
        // The collector removes what no image row names.
        tracing::warn!(error = &error as &dyn std::error::Error, "second copy of an upload not deleted");
    }
    Ok(kept)
}
