//! Masks of OpenAI, which are transparent where to edit, turned into imagioo's, which are white there.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

use super::{Unusable, Verifier, decode};

impl Verifier {
    /// A mask that is as white as this one is transparent, as a PNG; the same file for the same mask.
    ///
    /// # Errors
    /// [`Unusable`], and [`Unusable::NoTransparency`] for a picture that cannot be transparent anywhere.
    pub async fn white_where_transparent(&self, file: Bytes) -> Result<Bytes, Unusable> {
        self.off_thread(move |max_pixels| turn(&file, max_pixels)).await
    }
}

fn turn(file: &[u8], max_pixels: u64) -> Result<Bytes, Unusable> {
    let mask = decode(file, max_pixels)?;
    if !mask.color().has_alpha() {
        return Err(Unusable::NoTransparency);
    }
    let (width, height) = (mask.width(), mask.height());
    let white: Vec<u8> = mask.into_rgba8().pixels().map(|pixel| 255 - pixel.0[3]).collect();
    let mut turned = Vec::new();
    PngEncoder::new_with_quality(&mut turned, CompressionType::Fast, FilterType::NoFilter)
        .write_image(&white, width, height, ExtendedColorType::L8)
        .map_err(Unusable::NotEncoded)?;
    Ok(turned.into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn png(pixels: impl Into<DynamicImage>) -> Bytes {
        let mut file = Cursor::new(Vec::new());
        pixels.into().write_to(&mut file, ImageFormat::Png).expect("encodes");
        file.into_inner().into()
    }

    #[tokio::test]
    async fn transparent_becomes_white_and_opaque_black() {
        let mask = RgbaImage::from_fn(4, 1, |x, _| Rgba([9, 9, 9, [0, 255, 100, 0][x as usize]]));
        let turned = Verifier::new(100, 1).white_where_transparent(png(mask)).await.expect("a mask");
        let pixels = image::load_from_memory(&turned).expect("a picture").into_luma8();
        assert_eq!(pixels.as_raw(), &[255, 0, 155, 255]);
    }

    #[tokio::test]
    async fn a_mask_without_transparency_and_one_that_is_too_large_are_refused() {
        let plain = png(RgbImage::from_pixel(2, 2, Rgb([0, 0, 0])));
        let refused =
            Verifier::new(100, 1).white_where_transparent(plain).await.expect_err("no transparency");
        assert!(matches!(refused, Unusable::NoTransparency));
        let large = png(RgbaImage::new(11, 10));
        let refused =
            Verifier::new(100, 1).white_where_transparent(large).await.expect_err("too many pixels");
        assert!(matches!(refused, Unusable::TooManyPixels { .. }));
    }
}
