//! Pictures that jobs start from.

use image::{GrayImage, Luma};
use imagioo_picture::{Format, Size};
use imagioo_storage::ObjectKey;
use imagioo_types::ImageId;
use imagioo_worker::job::{Job, StoredPicture};

use crate::harness::World;

/// Keeps a picture for a job, as the gateway does.
pub async fn kept(world: &World, job: &Job, file: &[u8]) -> StoredPicture {
    let key = ObjectKey::upload(job.owner, ImageId::generate());
    world.storage.create(&key, file.to_vec().into()).await.expect("stored");
    StoredPicture { key, format: Format::Png, size: Size { width: 64, height: 48 } }
}

/// A mask that is white on its left half.
pub fn mask() -> Vec<u8> {
    let pixels = GrayImage::from_fn(64, 48, |x, _| Luma([if x < 32 { 255 } else { 0 }]));
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).expect("encodes");
    file.into_inner()
}
