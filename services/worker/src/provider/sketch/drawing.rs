//! One picture to be drawn: what it shows, how large it is, and in which file it comes.

use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder as _, ImageError, RgbaImage};
use imagioo_picture::{Format, Operation, Settings, Size, Verifier};

use super::sources::{Failure, MAX_PIXELS, Pictures, Sources};
use super::{edit, scene};
use crate::provider::{Call, CallError, Charged};
use crate::reason::Reason;

/// Longest side it draws, in pixels.
const MAX_SIDE: u32 = 8192;

/// Quality of a JPEG file when none is asked for.
const JPEG_QUALITY: u8 = 88;

/// How far an image to image goes from its reference when nothing is asked for.
const STRENGTH: f64 = 0.5;

/// What to draw, but for the seed.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    operation: Operation,
    words: String,
    settings: Settings,
    size: Size,
    format: Format,
    /// As files: they are decoded for each result, and nothing stays decoded in between.
    pictures: Arc<Pictures>,
    decoders: Verifier,
    /// The longer side of a preview.
    shrunk_to: Option<u32>,
}

impl Drawing {
    /// The drawing that a call asks for. Pictures are decoded once to see what they are.
    ///
    /// # Errors
    /// A final failure when it asks for something that cannot be drawn.
    pub(super) async fn of(call: &Call) -> Result<Self, CallError> {
        let pictures = Arc::new(Pictures { references: call.references.clone(), mask: call.mask.clone() });
        let reference = if pictures.is_empty() {
            None
        } else {
            let seen = Arc::clone(&pictures);
            let checked = call.decoders.run(move || seen.check()).await;
            checked.map_err(Failure::from).flatten().map_err(unusable)?
        };
        let unsupported = || CallError::failed(Reason::SettingUnsupported);
        let size = size_of(call, reference).ok_or_else(unsupported)?;
        if size.width.max(size.height) > MAX_SIDE
            || size.width.min(size.height) < 16
            || size.pixels() > MAX_PIXELS
        {
            return Err(unsupported());
        }
        Ok(Self {
            operation: call.operation,
            words: call.prompt.wording().prompt_text().to_owned(),
            settings: call.settings.clone(),
            size,
            format: call.format(),
            pictures,
            decoders: call.decoders.clone(),
            shrunk_to: None,
        })
    }

    /// The same picture as a PNG whose longer side has so many pixels.
    pub(super) fn preview(&self, side: u32) -> Self {
        Self { shrunk_to: Some(side), format: Format::Png, ..self.clone() }
    }

    /// Draws and encodes, off the async threads; what is made of pictures in a decoder's place.
    pub(super) async fn file(&self, seed: u32) -> Result<Bytes, CallError> {
        let drawing = self.clone();
        let draw = move || {
            let sources = drawing.pictures.decode(drawing.operation, drawing.size).map_err(unusable)?;
            let pixels = drawing.draw(&sources, seed);
            encode(pixels, drawing.format, drawing.settings.compression).map_err(|error| failed(error.into()))
        };
        if self.pictures.is_empty() {
            tokio::task::spawn_blocking(draw).await.map_err(|error| failed(error.into()))?
        } else {
            self.decoders.run(draw).await.map_err(|error| failed(error.into()))?
        }
    }

    fn draw(&self, sources: &Sources, seed: u32) -> DynamicImage {
        if let Some(side) = self.shrunk_to {
            return self.draw_small(sources, seed, side);
        }
        match self.edited(sources, seed) {
            Some(pixels) if pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX) => {
                DynamicImage::ImageRgba8(pixels).into_rgb8().into()
            }
            Some(pixels) => pixels.into(),
            None => self.scene(seed, self.size).into(),
        }
    }

    /// A scene is drawn small at once; what is made of pictures is shrunk.
    fn draw_small(&self, sources: &Sources, seed: u32, side: u32) -> DynamicImage {
        let longer = self.size.width.max(self.size.height);
        let scale = |length: u32| (length * side / longer).max(1);
        let size = Size { width: scale(self.size.width), height: scale(self.size.height) };
        match self.edited(sources, seed) {
            Some(pixels) => edit::scale(&pixels, size).into(),
            None => self.scene(seed, size).into(),
        }
    }

    /// What becomes of the pictures; nothing when there are none.
    fn edited(&self, sources: &Sources, seed: u32) -> Option<RgbaImage> {
        let (reference, others) = sources.references.split_first()?;
        let scene = || self.scene(seed, self.size);
        Some(match self.operation {
            Operation::TextToImage => return None,
            Operation::ImageToImage => {
                edit::follow(reference, others, &scene(), self.settings.strength.unwrap_or(STRENGTH))
            }
            Operation::Inpaint => edit::inpaint(reference, sources.mask.as_ref()?, &scene()),
            Operation::Outpaint => {
                edit::outpaint(reference, self.settings.margins.unwrap_or_default(), &scene())
            }
            Operation::Upscale => edit::scale(reference, self.size),
            Operation::RemoveBackground => edit::cut_out(reference),
            Operation::Variation => edit::vary(reference, seed),
        })
    }

    fn scene(&self, seed: u32, size: Size) -> image::RgbImage {
        scene::draw(&self.words, seed.into(), size.width, size.height)
    }
}

/// The size of the result, given that of the first reference; nothing when the call lacks what it needs.
fn size_of(call: &Call, reference: Option<Size>) -> Option<Size> {
    match call.operation {
        Operation::TextToImage => Some(wished(&call.settings).unwrap_or(Size { width: 1024, height: 1024 })),
        Operation::ImageToImage => wished(&call.settings).or(reference),
        Operation::Inpaint => call.mask.as_ref().and(reference),
        Operation::Outpaint => Some(call.settings.margins?.around(reference?)),
        Operation::Upscale => {
            let (factor, size) = (call.settings.upscale_factor.unwrap_or(2), reference?);
            Some(Size { width: size.width.checked_mul(factor)?, height: size.height.checked_mul(factor)? })
        }
        Operation::RemoveBackground | Operation::Variation => reference,
    }
}

fn unusable(error: Failure) -> CallError {
    CallError::failed(Reason::InputUnusable).because(error)
}

fn failed(error: Failure) -> CallError {
    CallError::retry(Reason::ProviderUnavailable, Charged::No).because(error)
}

/// The size that the settings ask for, if any: by pixels, or by aspect ratio and resolution around one megapixel.
fn wished(settings: &Settings) -> Option<Size> {
    if settings.size.is_some() {
        return settings.size;
    }
    let base = if settings.resolution.as_deref() == Some("2K") { 2048 } else { 1024 };
    let ratio = settings.aspect_ratio.as_deref().or(settings.resolution.as_deref().map(|_| "1:1"))?;
    let (wide, high) = ratio.split_once(':')?;
    let (wide, high): (f64, f64) = (wide.parse().ok()?, high.parse().ok()?);
    Some(Size { width: side(base, wide / high), height: side(base, high / wide) })
}

/// A side of a rectangle with the area of a square, in steps of 16 pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is checked after"
)]
fn side(base: u32, ratio: f64) -> u32 {
    (f64::from(base) * ratio.sqrt() / 16.0).round() as u32 * 16
}

/// Encodes for speed: fast PNG, JPEG, lossless WebP.
fn encode(pixels: DynamicImage, format: Format, quality: Option<u32>) -> Result<Bytes, ImageError> {
    let mut file = Vec::new();
    match format {
        Format::Png => pixels.write_with_encoder(PngEncoder::new_with_quality(
            &mut file,
            CompressionType::Fast,
            FilterType::Adaptive,
        ))?,
        Format::Jpeg => {
            let quality = quality.and_then(|quality| u8::try_from(quality).ok()).unwrap_or(JPEG_QUALITY);
            let pixels = pixels.into_rgb8();
            let encoder = JpegEncoder::new_with_quality(&mut file, quality.max(1));
            encoder.write_image(&pixels, pixels.width(), pixels.height(), image::ExtendedColorType::Rgb8)?;
        }
        Format::Webp => pixels.write_with_encoder(WebPEncoder::new_lossless(&mut file))?,
    }
    Ok(file.into())
}
