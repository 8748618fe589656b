//! Turning pictures into what providers want: other masks, larger canvases.
//!
//! imagioo's masks are white where to repaint; see each adapter for its provider's own convention.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgba, RgbaImage, imageops};
use imagioo_picture::{Format, Margins, Size, Verifier, decode};

use super::{CallError, Picture};
use crate::reason::Reason;

/// Most pixels that are decoded here.
const MAX_PIXELS: u64 = 40_000_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A mask that is transparent where to repaint and opaque where to keep (OpenAI).
///
/// # Errors
/// [`Reason::InputUnusable`].
pub(super) async fn transparent_where_white(
    decoders: &Verifier,
    mask: &Picture,
) -> Result<Picture, CallError> {
    let mask = mask.clone();
    off_thread(decoders, move || {
        let gray = decode(&mask.file, MAX_PIXELS)?.into_luma8();
        let (width, height) = gray.dimensions();
        let pixels = RgbaImage::from_fn(width, height, |x, y| {
            let Luma([white]) = *gray.get_pixel(x, y);
            Rgba([0, 0, 0, 255 - white])
        });
        png(&pixels.into())
    })
    .await
}

/// A picture on a canvas larger by the margins, which are transparent; and the mask that is white in the margins.
///
/// # Errors
/// [`Reason::InputUnusable`].
pub(super) async fn extended(
    decoders: &Verifier,
    picture: &Picture,
    margins: Margins,
) -> Result<(Picture, Picture), CallError> {
    let picture = picture.clone();
    off_thread(decoders, move || {
        let inner = decode(&picture.file, MAX_PIXELS)?.into_rgba8();
        let size = margins.around(Size { width: inner.width(), height: inner.height() });
        if size.pixels() > MAX_PIXELS {
            return Err("the picture with its margins is too large".into());
        }
        let mut canvas = RgbaImage::new(size.width, size.height);
        imageops::replace(&mut canvas, &inner, margins.left.into(), margins.top.into());
        let mut mask = GrayImage::from_pixel(size.width, size.height, Luma([255]));
        let kept = GrayImage::new(inner.width(), inner.height());
        imageops::replace(&mut mask, &kept, margins.left.into(), margins.top.into());
        Ok((png(&canvas.into())?, png(&mask.into())?))
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    decoders: &Verifier,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, CallError> {
    let unusable = |error: Failure| CallError::failed(Reason::InputUnusable).because(error);
    decoders.run(work).await.map_err(|error| unusable(error.into()))?.map_err(unusable)
}

fn png(pixels: &DynamicImage) -> Result<Picture, Failure> {
    let mut file = Cursor::new(Vec::new());
    pixels.write_to(&mut file, ImageFormat::Png)?;
    let size = Size { width: pixels.width(), height: pixels.height() };
    Ok(Picture { file: Bytes::from(file.into_inner()), format: Format::Png, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoders() -> Verifier {
        Verifier::new(MAX_PIXELS, 1)
    }

    fn picture(pixels: DynamicImage) -> Picture {
        png(&pixels).expect("encodes")
    }

    fn pixels(picture: &Picture) -> DynamicImage {
        image::load_from_memory(&picture.file).expect("a readable picture")
    }

    #[tokio::test]
    async fn white_becomes_transparent_and_black_opaque() {
        let mask = GrayImage::from_fn(4, 2, |x, _| Luma([if x < 2 { 255 } else { 0 }]));
        let turned = transparent_where_white(&decoders(), &picture(mask.into())).await.expect("a mask");
        let turned = pixels(&turned).into_rgba8();
        let alphas: Vec<u8> = turned.pixels().map(|pixel| pixel.0[3]).collect();
        assert_eq!(alphas, [0, 0, 255, 255, 0, 0, 255, 255]);
    }

    #[tokio::test]
    async fn pictures_are_turned_in_a_decoders_place() {
        let (decoders, (go, wait)) = (decoders(), std::sync::mpsc::channel::<()>());
        let mut busy = std::pin::pin!(decoders.run(move || wait.recv().is_ok()));
        assert!(futures::poll!(busy.as_mut()).is_pending());
        let mask = picture(GrayImage::new(4, 2).into());
        let mut turned = std::pin::pin!(transparent_where_white(&decoders, &mask));
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), turned.as_mut()).await;
        assert!(early.is_err(), "it was decoded without a place");
        go.send(()).expect("somebody waits");
        assert!(busy.await.expect("done"));
        turned.await.expect("a mask");
    }

    #[tokio::test]
    async fn an_extended_picture_is_kept_inside_and_masked_outside() {
        let inner = RgbaImage::from_pixel(3, 2, Rgba([9, 8, 7, 255]));
        let margins = Margins { left: 1, top: 2, right: 3, bottom: 4 };
        let (canvas, mask) = extended(&decoders(), &picture(inner.into()), margins).await.expect("a canvas");
        assert_eq!((canvas.size, mask.size), (Size { width: 7, height: 8 }, Size { width: 7, height: 8 }));
        let (canvas, mask) = (pixels(&canvas).into_rgba8(), pixels(&mask).into_luma8());
        for (x, y, pixel) in canvas.enumerate_pixels() {
            let inside = (1..4).contains(&x) && (2..4).contains(&y);
            assert_eq!(pixel.0, if inside { [9, 8, 7, 255] } else { [0; 4] }, "{x} {y}");
            assert_eq!(mask.get_pixel(x, y).0, [if inside { 0 } else { 255 }], "{x} {y}");
        }
    }
}
