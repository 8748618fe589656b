//! Smaller copies of pictures, to be looked at while the picture itself is not done.

use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageError};

use super::{Unusable, Verifier, decode, inside};
use crate::format::Format;

/// Longer sides that are tried, in pixels, until the file is short enough. The last one always is in 256 KiB.
const SIDES: [u32; 4] = [1024, 512, 256, 128];

/// Quality of a JPEG file.
const QUALITY: u8 = 80;

impl Verifier {
    /// The same picture in a file of at most `limit` bytes: a JPEG, or a PNG where something shines through. Nothing when
    /// every decoder is busy, or when it cannot be made so short.
    ///
    /// # Errors
    /// [`Unusable`]: it is no picture, or too large to be decoded.
    pub async fn preview(&self, file: Bytes, limit: usize) -> Result<Option<(Format, Bytes)>, Unusable> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return Ok(None) };
        let max_pixels = self.max_pixels;
        inside(room, move || copy(&file, max_pixels, limit)).await?
    }
}

fn copy(file: &[u8], max_pixels: u64, limit: usize) -> Result<Option<(Format, Bytes)>, Unusable> {
    let mut pixels = decode(file, max_pixels)?;
    for side in SIDES {
        if pixels.width().max(pixels.height()) > side {
            pixels = pixels.thumbnail(side, side);
        }
        let (format, copy) = encode(&pixels).map_err(Unusable::NotEncoded)?;
        if copy.len() <= limit {
            return Ok(Some((format, copy.into())));
        }
    }
    Ok(None)
}

fn encode(pixels: &DynamicImage) -> Result<(Format, Vec<u8>), ImageError> {
    let mut file = Vec::new();
    if pixels.color().has_alpha() && pixels.to_rgba8().pixels().any(|pixel| pixel.0[3] < u8::MAX) {
        let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive);
        DynamicImage::from(pixels.to_rgba8()).write_with_encoder(encoder)?;
        return Ok((Format::Png, file));
    }
    pixels.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY))?;
    Ok((Format::Jpeg, file))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    const LIMIT: usize = 256 * 1024;

    fn png(pixels: impl Into<DynamicImage>) -> Bytes {
        let mut file = Cursor::new(Vec::new());
        pixels.into().write_to(&mut file, ImageFormat::Png).expect("encodes");
        file.into_inner().into()
    }

    /// Noise that no file format makes short.
    fn noise(x: u32, y: u32, channel: u32) -> u8 {
        let mixed = (x * 4099 + y * 65_537 + channel * 7919 + 1).wrapping_mul(2_654_435_761);
        (mixed ^ (mixed >> 13)).wrapping_mul(0x5bd1_e995).to_be_bytes()[1]
    }

    async fn preview(file: Bytes) -> (Format, DynamicImage, usize) {
        let copied = Verifier::new(40_000_000, 1).preview(file, LIMIT).await.expect("a picture");
        let (format, copy) = copied.expect("a copy");
        (format, image::load_from_memory(&copy).expect("readable"), copy.len())
    }

    #[tokio::test]
    async fn a_noisy_picture_becomes_short_and_keeps_its_shape() {
        let noisy = RgbImage::from_fn(1024, 512, |x, y| Rgb([0, 1, 2].map(|channel| noise(x, y, channel))));
        let file = png(noisy);
        assert!(file.len() > LIMIT);
        let (format, copy, length) = preview(file).await;
        assert!(length <= LIMIT);
        assert_eq!((format, copy.width()), (Format::Jpeg, 2 * copy.height()));
        assert!(copy.width() >= 256);
    }

    #[tokio::test]
    async fn what_shines_through_still_does() {
        let noisy =
            RgbaImage::from_fn(512, 512, |x, y| Rgba([0, 1, 2, 3].map(|channel| noise(x, y, channel))));
        let (format, copy, length) = preview(png(noisy)).await;
        assert!(length <= LIMIT && copy.color().has_alpha());
        assert_eq!(format, Format::Png);
        let opaque = RgbaImage::from_pixel(64, 64, Rgba([1, 2, 3, 255]));
        assert_eq!(preview(png(opaque)).await.0, Format::Jpeg);
    }

    #[tokio::test]
    async fn nothing_is_copied_while_every_decoder_is_busy() {
        let verifier = Verifier::new(40_000_000, 1);
        let file = png(RgbImage::new(8, 8));
        let busy = Arc::clone(&verifier.room).acquire_owned().await.expect("open");
        assert!(verifier.preview(file.clone(), LIMIT).await.expect("a picture").is_none());
        drop(busy);
        assert!(verifier.preview(file, LIMIT).await.expect("a picture").is_some());
    }

    #[tokio::test]
    async fn no_picture_and_one_of_too_many_pixels_are_refused() {
        let verifier = Verifier::new(100, 1);
        assert!(verifier.preview(Bytes::from_static(b"<html>"), LIMIT).await.is_err());
        let large = verifier.preview(png(RgbImage::new(11, 10)), LIMIT).await.expect_err("too large");
        assert!(matches!(large, Unusable::TooManyPixels { .. }));
    }
}
