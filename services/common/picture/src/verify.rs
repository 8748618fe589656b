//! Verification: what a picture really is, found by reading all of it inside strict limits.

mod container;
mod mask;
mod preview;

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::format::Format;

/// What an image is, as read from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Read from its first bytes.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// Why a file is not an image that can be kept.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Neither PNG nor JPEG nor WebP: a page, another format, or nothing.
    #[error("the file is neither png, jpeg nor webp")]
    NotAnImage,
    /// It ends before its end.
    #[error("the file is cut off")]
    Truncated,
    /// More than one frame.
    #[error("the file is an animation")]
    Animated,
    /// Over the pixel limit.
    #[error("the image of {width}x{height} pixels is too large")]
    TooManyPixels {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A mask that says nothing.
    #[error("the mask has no transparency")]
    NoTransparency,
    /// The encoder gave up.
    #[error("the picture cannot be encoded")]
    NotEncoded(#[source] ImageError),
    /// The decoder gave up.
    #[error("the file cannot be decoded")]
    Broken(#[source] ImageError),
    /// The decoder itself failed.
    #[error("the decoder stopped")]
    Stopped(#[source] tokio::task::JoinError),
    /// No decoder is left; only while the process ends.
    #[error("the decoders are closed")]
    Closed(#[source] tokio::sync::AcquireError),
}

/// Decodes images off the async threads, a bounded number at once.
#[derive(Debug, Clone)]
pub struct Verifier {
    max_pixels: u64,
    room: Arc<Semaphore>,
}

impl Verifier {
    /// Takes images of at most `max_pixels`, checked in the header before memory is taken for them, `decoders` at once.
    #[must_use]
    pub fn new(max_pixels: u64, decoders: usize) -> Self {
        Self { max_pixels, room: Arc::new(Semaphore::new(decoders.max(1))) }
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// [`Unusable`] says what is wrong with it.
    pub async fn verify(&self, file: Bytes) -> Result<Verified, Unusable> {
        self.off_thread(move |max_pixels| read(&file, max_pixels)).await
    }

    /// Does other work that takes a decoder's memory, off the async threads and in a decoder's place. What it decodes must be
    /// gone when it ends: whoever keeps pixels and waits for another place may wait for ever.
    ///
    /// # Errors
    /// [`Unusable::Stopped`] or [`Unusable::Closed`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unusable> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(Unusable::Closed)?;
        inside(room, work).await
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(u64) -> Result<T, Unusable> + Send + 'static,
    ) -> Result<T, Unusable> {
        let max_pixels = self.max_pixels;
        self.run(move || work(max_pixels)).await?
    }
}

/// The place is free again when the work is over, also when nobody waits for it any more.
async fn inside<T: Send + 'static>(
    room: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unusable> {
    let done = tokio::task::spawn_blocking(move || {
        let _room = room;
        work()
    });
    done.await.map_err(Unusable::Stopped)
}

fn read(file: &[u8], max_pixels: u64) -> Result<Verified, Unusable> {
    let (format, decoder) = open(file, max_pixels)?;
    let (width, height) = decoder.dimensions();
    let mut decoded = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX)];
    decoder.read_image(&mut decoded).map_err(Unusable::Broken)?;
    Ok(Verified { format, width, height, sha256: Sha256::digest(file).into() })
}

/// A decoder for a whole, single picture of at most `max_pixels`, limited in what memory it may take.
fn open(file: &[u8], max_pixels: u64) -> Result<(Format, impl ImageDecoder), Unusable> {
    let format = Format::of(file).ok_or(Unusable::NotAnImage)?;
    container::check(format, file)?;
    let mut header = ImageReader::with_format(Cursor::new(file), format.codec());
    header.limits(limits(0));
    let (width, height) = header.into_dimensions().map_err(Unusable::Broken)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > max_pixels {
        return Err(Unusable::TooManyPixels { width, height });
    }
    let mut reader = ImageReader::with_format(Cursor::new(file), format.codec());
    reader.limits(limits(pixels));
    Ok((format, reader.into_decoder().map_err(Unusable::Broken)?))
}

/// The pixels of a file that was verified, as its creator meant it to be seen: turned upright where it says so.
///
/// # Errors
/// [`Unusable`] says what is wrong with it.
pub fn decode(file: &[u8], max_pixels: u64) -> Result<DynamicImage, Unusable> {
    let (_, mut decoder) = open(file, max_pixels)?;
    let orientation = decoder.orientation().map_err(Unusable::Broken)?;
    let mut pixels = DynamicImage::from_decoder(decoder).map_err(Unusable::Broken)?;
    pixels.apply_orientation(orientation);
    Ok(pixels)
}

/// Memory for so many pixels of eight bytes (16-bit RGBA) with as much again for the decoder, and 32 MiB for the rest.
fn limits(pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(32 * 1024 * 1024 + pixels * 16);
    limits
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder as _, RgbImage};

    use super::*;

    fn encoded(format: Format, width: u32, height: u32) -> Vec<u8> {
        let pixels = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        let mut file = Cursor::new(Vec::new());
        pixels.write_to(&mut file, format.codec()).expect("encodes");
        file.into_inner()
    }

    fn verify(file: &[u8]) -> Result<Verified, Unusable> {
        read(file, 40_000_000)
    }

    const FORMATS: [Format; 3] = [Format::Png, Format::Jpeg, Format::Webp];

    #[test]
    fn format_and_dimensions_are_found_in_the_bytes() {
        for format in FORMATS {
            let file = encoded(format, 61, 33);
            let sha256 = Sha256::digest(&file).into();
            let verified = verify(&file).expect("a good image");
            assert_eq!(verified, Verified { format, width: 61, height: 33, sha256 });
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for format in FORMATS {
            let file = encoded(format, 61, 33);
            for length in (0..file.len()).step_by(7).chain([file.len() - 2, file.len() - 1]) {
                assert!(verify(&file[..length]).is_err(), "{format:?} cut to {length} of {}", file.len());
            }
        }
    }

    #[test]
    fn a_page_a_text_and_other_formats_are_no_images() {
        for file in [&b""[..], b"<!DOCTYPE html><html>", b"GIF89a\x01\x00\x01\x00", b"%PDF-1.7", b"<svg/>"] {
            assert!(matches!(verify(file), Err(Unusable::NotAnImage)));
        }
    }

    #[test]
    fn a_page_behind_the_first_bytes_of_an_image_is_refused() {
        let polyglot = [b"\x89PNG\r\n\x1a\n".as_slice(), b"<html><script>alert(1)</script></html>"].concat();
        assert!(verify(&polyglot).is_err());
    }

    #[test]
    fn too_many_pixels_are_refused_by_the_header_alone() {
        let mut file = encoded(Format::Png, 2, 2);
        file[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        file[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        let crc = crc(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(verify(&file), Err(Unusable::TooManyPixels { width: 60_000, height: 60_000 })));
    }

    #[test]
    fn a_damaged_pixel_is_noticed() {
        let mut file = encoded(Format::Png, 61, 33);
        let middle = file.len() / 2;
        file[middle] ^= 0x55;
        assert!(matches!(verify(&file), Err(Unusable::Broken(_))));
    }

    #[test]
    fn animations_are_refused() {
        let still = encoded(Format::Png, 8, 8);
        let control = [b"acTL".as_slice(), &2_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat();
        let sum = crc(&control).to_be_bytes();
        let animated = [&still[..33], &8_u32.to_be_bytes(), &control, &sum, &still[33..]].concat();
        assert!(matches!(verify(&animated), Err(Unusable::Animated)));

        let mut webp = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0".to_vec();
        webp.extend_from_slice(b"ANIM\x06\0\0\0\0\0\0\0\0\0");
        let size = u32::try_from(webp.len() - 8).expect("small");
        webp[4..8].copy_from_slice(&size.to_le_bytes());
        assert!(matches!(verify(&webp), Err(Unusable::Animated)));
    }

    #[test]
    fn sixteen_bit_images_with_transparency_are_fine() {
        let mut file = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut file);
        encoder.write_image(&[7; 8 * 16], 4, 4, ExtendedColorType::Rgba16).expect("encodes");
        assert!(verify(&file).is_ok());
    }

    #[tokio::test]
    async fn other_work_takes_turns_with_the_decoders() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (verifier, at_work) = (Verifier::new(100, 1), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let at_work = Arc::clone(&at_work);
            verifier.run(move || {
                let others = at_work.fetch_add(1, Ordering::SeqCst);
                (0..1000).for_each(|_| std::thread::yield_now());
                at_work.fetch_sub(1, Ordering::SeqCst);
                others
            })
        };
        let (one, two, three) = tokio::join!(work(), work(), work());
        let others = [one, two, three].map(|others| others.expect("done"));
        assert_eq!(others, [0, 0, 0], "somebody else was at work");
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc: u32, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }
}
