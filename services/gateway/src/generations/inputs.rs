//! The pictures of a request: found or verified before anything is held, kept once it is.

use bytes::Bytes;
use imagioo_picture::{Operation, Size};
use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_types::{GenerationId, ImageId};

use crate::app::App;
use crate::catalogue::Priced;
use crate::db;
use crate::db::generations::insert::Lineage;
use crate::error::Error;
use crate::generation::{Image, Input, Role};
use crate::generations::read;
use crate::uploads::{self, Upload};

/// A picture as a request names it.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    Image(ImageId),
    File(Bytes),
}

/// A picture that is there, or can be kept.
#[derive(Debug, Clone)]
enum Known {
    Image(Box<Image>),
    Upload(Upload),
}

impl Known {
    fn size(&self) -> Size {
        match self {
            Self::Image(image) => Input::of(Role::Reference, image).size(),
            Self::Upload(upload) => Size { width: upload.verified.width, height: upload.verified.height },
        }
    }
}

/// The pictures of a request, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pictures(Vec<(Role, Known)>);

impl Pictures {
    /// Looks every picture up among the caller's, or reads it; nothing is kept yet.
    pub(crate) async fn find(
        app: &App,
        caller: &Caller,
        references: &[Named],
        mask: Option<&Named>,
    ) -> Result<Self, Error> {
        let mut found = Vec::with_capacity(references.len() + usize::from(mask.is_some()));
        for named in references {
            found.push((Role::Reference, find(app, caller, named, "references").await?));
        }
        if let Some(named) = mask {
            let mask = find(app, caller, named, "mask").await?;
            if let Some((_, first)) = found.first()
                && first.size() != mask.size()
            {
                let (is, should) = (mask.size(), first.size());
                return Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
                    .field("mask", format!("is {is}, but must be {should} like the first reference"))
                    .into());
            }
            found.push((Role::Mask, mask));
        }
        Ok(Self(found))
    }

    /// The pixels of the references.
    pub(crate) fn sizes(&self) -> Vec<Size> {
        self.0.iter().filter(|(role, _)| *role == Role::Reference).map(|(_, known)| known.size()).collect()
    }

    /// Refuses what would become larger than any worker keeps: somebody would pay for an image that nobody gets.
    pub(crate) fn leave_room(&self, priced: &Priced, most: u64) -> Result<(), RpcError> {
        let first = self.0.first().map(|(_, known)| known.size());
        let Some((field, size)) = outgrown(priced, first).filter(|(_, size)| size.pixels() > most) else {
            return Ok(());
        };
        Err(RpcError::new(Code::SettingUnsupported, "the image would be too large")
            .field(field, format!("would make {size}: an image has at most {most} pixels")))
    }

    /// The generation that made the first reference, if one did.
    pub(crate) fn origin(&self) -> Option<GenerationId> {
        match self.0.first() {
            Some((_, Known::Image(image))) => image.generation,
            _ => None,
        }
    }

    /// Keeps what was sent along.
    pub(crate) async fn keep(self, app: &App, caller: &Caller) -> Result<Vec<Input>, Error> {
        let mut inputs = Vec::with_capacity(self.0.len());
        for (role, known) in self.0 {
            let image = match known {
                Known::Image(image) => *image,
                Known::Upload(upload) => uploads::keep(app, caller.identity.user, upload).await?,
            };
            inputs.push(Input::of(role, &image));
        }
        Ok(inputs)
    }
}

/// The size of the results where it is known before, and the setting that makes it.
fn outgrown(priced: &Priced, first: Option<Size>) -> Option<(&'static str, Size)> {
    let settings = &priced.settings;
    match (priced.operation, first) {
        (Operation::Upscale, Some(Size { width, height })) => {
            let factor = settings.upscale_factor?;
            let size = Size { width: width.saturating_mul(factor), height: height.saturating_mul(factor) };
            Some(("settings.upscale_factor", size))
        }
        (Operation::Outpaint, Some(first)) => Some(("settings.margins", settings.margins?.around(first))),
        _ => Some(("settings.size", settings.size?)),
    }
}

async fn find(app: &App, caller: &Caller, named: &Named, field: &'static str) -> Result<Known, Error> {
    match named {
        Named::Image(id) => Ok(Known::Image(Box::new(read::image(app, caller, *id).await?))),
        Named::File(file) => {
            let user = caller.identity.user;
            let upload = uploads::verify(app, user, file.clone(), field).await?;
            let known = uploads::find(app, user, &upload).await?;
            Ok(known.map_or(Known::Upload(upload), |image| Known::Image(Box::new(image))))
        }
    }
}

/// Where a generation with this parent comes from.
pub(crate) async fn lineage(app: &App, caller: &Caller, parent: GenerationId) -> Result<Lineage, Error> {
    let mut conn = app.pool.acquire().await?;
    let root = db::generations::find_root(&mut conn, caller.identity.user, parent).await?;
    let root = root.ok_or_else(|| RpcError::not_found("generation"))?;
    Ok(Lineage { parent, root })
}
