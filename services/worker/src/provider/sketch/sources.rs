//! The pictures that a drawing starts from: kept as files, and decoded only for as long as one result is drawn.

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbaImage};
use imagioo_picture::{Operation, Size, decode};

use super::edit;
use crate::provider::Picture;

/// Most pixels of a picture it starts from, or draws.
pub(super) const MAX_PIXELS: u64 = 40_000_000;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The files.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) references: Vec<Picture>,
    pub(super) mask: Option<Picture>,
}

/// Their pixels, as many as a result needs.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) references: Vec<RgbaImage>,
    pub(super) mask: Option<GrayImage>,
}

impl Pictures {
    pub(super) fn is_empty(&self) -> bool {
        self.references.is_empty() && self.mask.is_none()
    }

    /// Decodes one after the other; the size of the first reference.
    ///
    /// # Errors
    /// One cannot be decoded, or the mask is of another size.
    pub(super) fn check(&self) -> Result<Option<Size>, Failure> {
        let mut sizes = Vec::with_capacity(self.references.len());
        for reference in &self.references {
            let pixels = decode(&reference.file, MAX_PIXELS)?;
            sizes.push(Size { width: pixels.width(), height: pixels.height() });
        }
        let first = sizes.first().copied();
        if let (Some(mask), Some(first)) = (&self.mask, first) {
            let mask = decode(&mask.file, MAX_PIXELS)?;
            if (mask.width(), mask.height()) != (first.width, first.height) {
                return Err("the mask is not of the size of the first reference".into());
            }
        }
        Ok(first)
    }

    /// What a result of this size is made of. Where it follows its references, each is made as small as it will be seen
    /// before the next one is decoded.
    ///
    /// # Errors
    /// One cannot be decoded.
    pub(super) fn decode(&self, operation: Operation, size: Size) -> Result<Sources, Failure> {
        let pixels = |picture: &Picture| Ok::<_, Failure>(decode(&picture.file, MAX_PIXELS)?.into_rgba8());
        let mut references = Vec::new();
        if operation == Operation::ImageToImage {
            let side = edit::inset(size);
            for (place, picture) in self.references.iter().enumerate() {
                let (width, height) = if place == 0 { (size.width, size.height) } else { (side, side) };
                references.push(edit::resized(pixels(picture)?, (width, height), FilterType::Triangle));
            }
        } else if let Some(picture) = self.references.first() {
            references.push(pixels(picture)?);
        }
        let mask = self.mask.as_ref().filter(|_| operation == Operation::Inpaint);
        let mask =
            mask.map(|mask| decode(&mask.file, MAX_PIXELS).map(DynamicImage::into_luma8)).transpose()?;
        Ok(Sources { references, mask })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgba};
    use imagioo_picture::Format;

    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        let pixels = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 7, 255]));
        let mut file = Cursor::new(Vec::new());
        pixels.write_to(&mut file, ImageFormat::Png).expect("encodes");
        Picture { file: file.into_inner().into(), format: Format::Png, size: Size { width, height } }
    }

    #[test]
    fn what_is_followed_is_kept_no_larger_than_it_is_seen() {
        let references = vec![picture(300, 200), picture(250, 90), picture(80, 100)];
        let pictures = Pictures { references, mask: None };
        let size = Size { width: 100, height: 50 };
        let sources = pictures.decode(Operation::ImageToImage, size).expect("decodes");
        let sizes: Vec<_> = sources.references.iter().map(RgbaImage::dimensions).collect();
        assert_eq!(sizes, [(100, 50), (10, 10), (10, 10)]);
        let whole = |pictures: &[Picture]| -> Vec<RgbaImage> {
            let decoded = pictures.iter().map(|picture| image::load_from_memory(&picture.file));
            decoded.map(|pixels| pixels.expect("readable").into_rgba8()).collect()
        };
        let (whole, scene) = (whole(&pictures.references), image::RgbImage::new(100, 50));
        let seen = |of: &[RgbaImage]| edit::follow(&of[0], &of[1..], &scene, 0.5);
        assert_eq!(seen(&sources.references), seen(&whole), "it looks the same");
    }

    #[test]
    fn only_what_is_used_is_decoded() {
        let pictures =
            Pictures { references: vec![picture(30, 20), picture(9, 9)], mask: Some(picture(30, 20)) };
        let size = Size { width: 30, height: 20 };
        let sources = pictures.decode(Operation::Variation, size).expect("decodes");
        assert_eq!((sources.references.len(), sources.mask.is_none()), (1, true));
        let sources = pictures.decode(Operation::Inpaint, size).expect("decodes");
        assert_eq!((sources.references.len(), sources.mask.is_some()), (1, true));
        assert_eq!(pictures.check().expect("good"), Some(size));
        let other = Pictures { references: vec![picture(30, 20)], mask: Some(picture(20, 30)) };
        assert!(other.check().is_err(), "a mask of another size");
    }
}
