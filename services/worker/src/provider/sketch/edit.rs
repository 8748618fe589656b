//! Pictures made from pictures: each operation on pixels, without a model and the same everywhere.

use std::collections::VecDeque;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use imagioo_picture::{Margins, Size};

/// Colours whose channels differ by no more than this belong to one background.
const TOLERANCE: u8 = 24;

/// A reference after an instruction: `share` of 1 is the scene alone, 0 the reference alone. Further references are
/// inset at the lower edge.
pub(super) fn follow(reference: &RgbaImage, others: &[RgbaImage], scene: &RgbImage, share: f64) -> RgbaImage {
    let (width, height) = scene.dimensions();
    let mut pixels = resized(reference.clone(), (width, height), FilterType::Triangle);
    let share = quantised(share);
    for (pixel, drawn) in pixels.pixels_mut().zip(scene.pixels()) {
        *pixel = mixed(*pixel, *drawn, share);
    }
    let side = inset(Size { width, height });
    for (place, other) in (0_i64..).zip(others) {
        let inset = resized(other.clone(), (side, side), FilterType::Triangle);
        let x = place * i64::from(side + side / 8) + i64::from(side / 8);
        imageops::overlay(&mut pixels, &inset, x, i64::from(height - side - (side / 8).min(height - side)));
    }
    pixels
}

/// The side of the inset of a further reference in a result of this size.
pub(super) fn inset(size: Size) -> u32 {
    (size.width.min(size.height) / 5).max(1)
}

/// The scene where the mask is white, the reference where it is black.
pub(super) fn inpaint(reference: &RgbaImage, mask: &GrayImage, scene: &RgbImage) -> RgbaImage {
    let mut pixels = reference.clone();
    for ((pixel, Luma([white])), drawn) in pixels.pixels_mut().zip(mask.pixels()).zip(scene.pixels()) {
        *pixel = mixed(*pixel, *drawn, *white);
        pixel.0[3] = pixel.0[3].max(*white);
    }
    pixels
}

/// The reference, untouched, in a scene that is larger by the margins.
pub(super) fn outpaint(reference: &RgbaImage, margins: Margins, scene: &RgbImage) -> RgbaImage {
    let mut pixels = DynamicImage::from(scene.clone()).into_rgba8();
    imageops::replace(&mut pixels, reference, margins.left.into(), margins.top.into());
    pixels
}

/// The same picture with other dimensions.
pub(super) fn scale(reference: &RgbaImage, size: Size) -> RgbaImage {
    resized(reference.clone(), (size.width, size.height), FilterType::Lanczos3)
}

/// The same picture with these dimensions. The generic functions of `imageops` are compiled with whoever calls them, and
/// are many times slower where that is not optimized; those of [`DynamicImage`] are compiled with their crate.
pub(super) fn resized(picture: RgbaImage, (width, height): (u32, u32), filter: FilterType) -> RgbaImage {
    if picture.dimensions() == (width, height) {
        return picture;
    }
    DynamicImage::from(picture).resize_exact(width, height, filter).into_rgba8()
}

/// What resembles the border and reaches it becomes transparent.
pub(super) fn cut_out(reference: &RgbaImage) -> RgbaImage {
    let (width, height) = reference.dimensions();
    let mut pixels = reference.clone();
    let mut seen = vec![false; (width as usize) * (height as usize)];
    let border = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]);
    let mut open: VecDeque<(u32, u32)> =
        border.chain((0..height).flat_map(|y| [(0, y), (width - 1, y)])).collect();
    while let Some((x, y)) = open.pop_front() {
        let place = (y as usize) * (width as usize) + x as usize;
        if std::mem::replace(&mut seen[place], true) {
            continue;
        }
        let here = *reference.get_pixel(x, y);
        pixels.get_pixel_mut(x, y).0[3] = 0;
        let near = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        open.extend(
            near.into_iter()
                .filter(|&(x, y)| x < width && y < height && alike(here, *reference.get_pixel(x, y))),
        );
    }
    pixels
}

/// The picture in a mirror, in other colours; the seed chooses them.
pub(super) fn vary(reference: &RgbaImage, seed: u32) -> RgbaImage {
    let turned = i32::try_from(20 + seed % 320).unwrap_or(20);
    DynamicImage::from(reference.clone()).fliph().huerotate(turned).into_rgba8()
}

fn alike(one: Rgba<u8>, other: Rgba<u8>) -> bool {
    one.0.iter().zip(other.0).all(|(one, other)| one.abs_diff(other) <= TOLERANCE)
}

/// A share of one as a share of 255.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn quantised(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// A colour on its way to another, by a share of 255; as opaque as it was.
fn mixed(Rgba([red, green, blue, alpha]): Rgba<u8>, Rgb(to): Rgb<u8>, share: u8) -> Rgba<u8> {
    let mix = |from: u8, to: u8| {
        let share = u16::from(share);
        let mixed = (u16::from(from) * (255 - share) + u16::from(to) * share + 127) / 255;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    };
    Rgba([mix(red, to[0]), mix(green, to[1]), mix(blue, to[2]), alpha])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> RgbaImage {
        RgbaImage::from_fn(32, 24, |x, y| Rgba([x as u8 * 8, y as u8 * 10, 90, 255]))
    }

    fn scene(width: u32, height: u32) -> RgbImage {
        RgbImage::from_pixel(width, height, image::Rgb([200, 20, 30]))
    }

    #[test]
    fn white_is_repainted_and_black_is_kept_to_the_pixel() {
        let mask = GrayImage::from_fn(32, 24, |x, _| Luma([if x < 16 { 255 } else { 0 }]));
        let painted = inpaint(&reference(), &mask, &scene(32, 24));
        for (x, y, pixel) in painted.enumerate_pixels() {
            let expected = if x < 16 { Rgba([200, 20, 30, 255]) } else { *reference().get_pixel(x, y) };
            assert_eq!(*pixel, expected, "{x} {y}");
        }
    }

    #[test]
    fn the_picture_inside_the_margins_is_kept_to_the_pixel() {
        let margins = Margins { left: 5, top: 3, right: 2, bottom: 1 };
        let painted = outpaint(&reference(), margins, &scene(39, 28));
        for (x, y, pixel) in painted.enumerate_pixels() {
            let inside = (5..37).contains(&x) && (3..27).contains(&y);
            let expected =
                if inside { *reference().get_pixel(x - 5, y - 3) } else { Rgba([200, 20, 30, 255]) };
            assert_eq!(*pixel, expected, "{x} {y}");
        }
    }

    #[test]
    fn the_strength_says_how_much_of_a_reference_is_left() {
        assert_eq!(follow(&reference(), &[], &scene(32, 24), 0.0), reference());
        let forgotten = follow(&reference(), &[], &scene(32, 24), 1.0);
        assert!(forgotten.pixels().all(|pixel| pixel.0 == [200, 20, 30, 255]));
        let inset = follow(&reference(), &[reference()], &scene(32, 24), 1.0);
        assert_ne!(inset, forgotten, "a second reference shows");
    }

    #[test]
    fn the_ground_goes_and_the_subject_stays() {
        let mut picture = RgbaImage::from_pixel(20, 20, Rgba([240, 240, 240, 255]));
        for (x, y) in (6..14).flat_map(|x| (6..14).map(move |y| (x, y))) {
            picture.put_pixel(x, y, Rgba([10, 20, 30, 255]));
        }
        for (x, y, pixel) in cut_out(&picture).enumerate_pixels() {
            let subject = (6..14).contains(&x) && (6..14).contains(&y);
            assert_eq!(pixel.0[3], if subject { 255 } else { 0 }, "{x} {y}");
        }
    }

    #[test]
    fn variations_differ_by_seed_and_an_upscale_has_its_size() {
        assert_ne!(vary(&reference(), 1), vary(&reference(), 2));
        let larger = scale(&reference(), Size { width: 64, height: 48 });
        assert_eq!(larger.dimensions(), (64, 48));
    }
}
