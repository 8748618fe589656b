//! A PNG of noise, and copies of it that differ in a comment, so that each has a hash of its own.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};

/// The last chunk of every PNG: no data, its type, and the checksum of that.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// A PNG without its end, so far as it is the same in all copies.
#[derive(Debug)]
pub(super) struct Picture {
    /// The longest beginning that is a whole number of base64 groups, encoded once.
    beginning: String,
    /// The 0 to 2 bytes after it.
    rest: Vec<u8>,
}

impl Picture {
    /// A square of noise, which does not compress: the file has about as many bytes as the pixels.
    pub(super) fn of_noise(bytes: usize) -> anyhow::Result<Self> {
        let edge = u32::try_from((bytes / 3).isqrt())?;
        let noise = RgbImage::from_fn(edge, edge, |_, _| image::Rgb(rand::random()));
        let mut file = Cursor::new(Vec::with_capacity(bytes));
        noise.write_to(&mut file, ImageFormat::Png)?;
        let mut file = file.into_inner();
        file.truncate(file.len() - END.len());
        let rest = file.split_off(file.len() / 3 * 3);
        Ok(Self { beginning: STANDARD.encode(file), rest })
    }

    /// A copy with this number in it, in base64: what all copies begin with, and how this one ends.
    pub(super) fn base64(&self, number: u64) -> [String; 2] {
        [self.beginning.clone(), STANDARD.encode(self.ending(number))]
    }

    /// The copy with this number as it is.
    pub(super) fn bytes(&self, number: u64) -> anyhow::Result<Vec<u8>> {
        Ok([STANDARD.decode(&self.beginning)?, self.ending(number)].concat())
    }

    fn ending(&self, number: u64) -> Vec<u8> {
        let comment = [b"tEXtComment\0".as_slice(), format!("{number:020}").as_bytes()].concat();
        // The type is not counted.
        let length = u32::try_from(comment.len() - 4).unwrap_or_default().to_be_bytes();
        let checksum = crc32(&comment).to_be_bytes();
        [&self.rest, &length[..], &comment, &checksum, END].concat()
    }
}

/// The checksum of a chunk (PNG specification, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn copies_are_whole_images_of_the_wanted_size_and_differ() {
        let picture = Picture::of_noise(100 * 1024).expect("a picture");
        let [one, other] =
            [1, 2].map(|number| STANDARD.decode(picture.base64(number).concat()).expect("base64"));
        assert_ne!(one, other);
        assert_eq!(picture.bytes(1).expect("base64"), one);
        assert!((98_000..108_000).contains(&one.len()), "{}", one.len());
        let decoded = image::load_from_memory_with_format(&one, ImageFormat::Png).expect("a PNG");
        assert_eq!((decoded.width(), decoded.height()), (184, 184));
    }
}
