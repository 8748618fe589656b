//! A smaller copy of an image that is too long for an endpoint: all of it, with fewer pixels.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::LazyLock;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use imagioo_picture::{Unusable, decode};
use tokio::sync::Semaphore;

/// The longer side of a copy.
const SIDE: u32 = 2048;
const QUALITY: u8 = 90;
/// Most pixels that are decoded; results have passed a stricter limit.
const MAX_PIXELS: u64 = 1 << 28;

/// One copy at a time: each takes the memory of a whole image.
static TURN: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Irreducible {
    #[error("the image cannot be decoded")]
    Unusable(#[from] Unusable),
    #[error("the copy cannot be encoded")]
    Encoder(#[from] image::ImageError),
    #[error("the copy was not made")]
    Stopped(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The same image as a JPEG of at most 2048 pixels a side.
pub(super) async fn copy(file: Bytes) -> Result<Bytes, Irreducible> {
    let stopped = |error: Box<dyn std::error::Error + Send + Sync>| Irreducible::Stopped(error);
    let turn = Arc::clone(&TURN).acquire_owned().await.map_err(|error| stopped(error.into()))?;
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let image = decode(&file, MAX_PIXELS)?;
        let small =
            if image.width().max(image.height()) > SIDE { image.thumbnail(SIDE, SIDE) } else { image };
        let mut copy = Cursor::new(Vec::new());
        small.into_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut copy, QUALITY))?;
        Ok(copy.into_inner().into())
    });
    work.await.map_err(|error| stopped(error.into()))?
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbaImage};

    use super::*;

    #[tokio::test]
    async fn a_copy_keeps_the_shape_and_shows_what_was_transparent() {
        let pixels = RgbaImage::from_pixel(4096, 1024, image::Rgba([250, 0, 0, 0]));
        let mut file = Cursor::new(Vec::new());
        pixels.write_to(&mut file, ImageFormat::Png).expect("encodes");
        let copied = copy(file.into_inner().into()).await.expect("a copy");
        assert_eq!(image::guess_format(&copied).expect("an image"), ImageFormat::Jpeg);
        let copied = image::load_from_memory(&copied).expect("decodes").into_rgb8();
        assert_eq!(copied.dimensions(), (2048, 512));
        assert!(copied.get_pixel(100, 100).0[0] > 200);
        assert!(copy(Bytes::from_static(b"no image")).await.is_err());
    }
}
