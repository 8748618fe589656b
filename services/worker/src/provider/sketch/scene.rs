//! Composes a landscape for a prompt: its words choose the subjects, its hash everything else.

use image::RgbImage;

use super::canvas::{Canvas, Color, HEIGHT, Paint, mix};
use super::font;
use super::subject::Subject;

/// Colours of a landscape.
struct Palette {
    /// From the top to the horizon.
    sky: [Color; 2],
    light: Color,
    /// From far to near.
    land: [Color; 3],
    night: bool,
}

/// Words that choose a palette, then its sky, light and land.
type Choice = (&'static [&'static str], [Color; 2], Color, [Color; 3]);

/// The first one is the night.
const PALETTES: [Choice; 5] = [
    (
        &["night", "moon", "star", "stars", "dark", "space"],
        [0x0c122e, 0x3e4c7e],
        0xf0eedc,
        [0x2e3c66, 0x1e2a4c, 0x111932],
    ),
    (
        &["day", "summer", "morning", "spring", "sunny"],
        [0x569cd6, 0xdeeff4],
        0xfff6cd,
        [0x94bab2, 0x609870, 0x3a744c],
    ),
    (
        &["sunset", "dusk", "evening", "romantic"],
        [0x4a3b72, 0xfaa069],
        0xffda94,
        [0x9e6274, 0x664262, 0x382848],
    ),
    (
        &["autumn", "fall", "october", "fire", "desert"],
        [0xc6ac8c, 0xf6e4c0],
        0xfff0d2,
        [0xc6925c, 0xa86238, 0x703e2c],
    ),
    (
        &["winter", "snow", "ice", "frozen", "arctic"],
        [0x8eaac8, 0xeaf0f6],
        0xfffcf0,
        [0xbecede, 0xd6e2ec, 0xf0f5f9],
    ),
];

const WATER: [&str; 9] = ["sea", "ocean", "lake", "water", "river", "boat", "ship", "island", "beach"];
const PEAKS: [&str; 5] = ["mountain", "mountains", "alps", "peak", "peaks"];

/// Repeatable choices (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    /// Choices that depend on every byte of the text and on the seed.
    fn new(text: &str, seed: u64) -> Self {
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number from `low` up to, but not including, `high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let spread = u64::try_from((high - low).max(1)).unwrap_or(1);
        low + i64::try_from((bits ^ (bits >> 31)) % spread).unwrap_or(0)
    }
}

/// Draws the picture of a prompt. Equal arguments give equal pixels; another size gives the same picture, scaled.
pub(super) fn draw(prompt: &str, seed: u64, width: u32, height: u32) -> RgbImage {
    let lower = prompt.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut dice = Dice::new(prompt, seed);
    let palette = Palette::of(&words, &mut dice);
    let mut canvas = Canvas::new(width, height);
    sky(&mut canvas, &palette, &mut dice);
    land(&mut canvas, &palette, &mut dice, &words);
    for subject in Subject::in_words(&words, &mut dice) {
        subject.draw(&mut canvas, &mut dice);
    }
    caption(&mut canvas, prompt);
    canvas.into_pixels()
}

impl Palette {
    /// The one that the words ask for, else any but the night.
    fn of(words: &[&str], dice: &mut Dice) -> Self {
        let asked = PALETTES.iter().position(|(names, ..)| names.iter().any(|name| words.contains(name)));
        let chance = usize::try_from(dice.between(1, 5)).unwrap_or(1);
        let place = asked.unwrap_or(chance);
        let (_, sky, light, land) = PALETTES[place];
        Self { sky, light, land, night: place == 0 }
    }
}

fn sky(canvas: &mut Canvas, palette: &Palette, dice: &mut Dice) {
    let span = canvas.span();
    canvas.gradient(palette.sky[0], palette.sky[1]);
    if palette.night {
        for _ in 0..90 {
            let (x, y, size) = (dice.between(0, span), dice.between(0, 2400), dice.between(5, 14));
            canvas.ellipse((x, y), (size, size), Paint(0xfffff0, 60 + 14 * size));
        }
    }
    let center = (span * dice.between(18, 83) / 100, dice.between(620, 1350));
    let radius = dice.between(230, 400);
    for (grow, alpha) in [(5, 14), (4, 20), (3, 30), (2, 44)] {
        let halo = radius * (4 + grow) / 5;
        canvas.ellipse(center, (halo, halo), Paint(palette.light, alpha));
    }
    canvas.ellipse(center, (radius, radius), palette.light);
    if palette.night {
        for (dx, dy, size) in [(-30, -25, 20), (25, 10, 26), (-15, 40, 14)] {
            let crater = (center.0 + radius * dx / 100, center.1 + radius * dy / 100);
            canvas.ellipse(crater, (radius * size / 100, radius * size / 100), Paint(palette.sky[1], 46));
        }
        return;
    }
    for _ in 0..dice.between(1, 4) {
        let (x, y, size) = (dice.between(0, span), dice.between(350, 1500), dice.between(110, 210));
        for (dx, dy, grow) in [(-17, 3, 8), (-8, -2, 11), (3, -5, 13), (13, 0, 10), (21, 4, 7)] {
            canvas.ellipse(
                (x + dx * size / 10, y + dy * size / 10),
                (size * grow / 8, size * grow / 13),
                Paint(0xffffff, 70),
            );
        }
    }
}

fn land(canvas: &mut Canvas, palette: &Palette, dice: &mut Dice, words: &[&str]) {
    let span = canvas.span();
    let mentions = |list: &[&str]| list.iter().any(|word| words.contains(word));
    if mentions(&PEAKS) {
        for (place, color) in [(0, palette.land[0]), (1, mix(palette.land[0], palette.land[1], 128))] {
            for peak in 0..3 {
                let x = span * (2 * peak + place) / 5 + dice.between(-200, 200);
                let (top, wide) = (dice.between(1150, 1700) + 150 * place, dice.between(900, 1400));
                canvas.triangle([(x, top), (x - wide, 3000), (x + wide, 3000)], color);
                let cap = (3000 - top) / 5;
                let reach = wide * cap / (3000 - top);
                canvas.triangle([(x, top), (x - reach, top + cap), (x + reach, top + cap)], 0xf4f7fa);
            }
        }
    }
    let mut base = 2150;
    for color in palette.land {
        let (tall, long) = (dice.between(90, 260), dice.between(2200, 4200));
        let (first, second) = (dice.between(0, 4096), dice.between(0, 4096));
        canvas.below(color, |x| {
            base + tall * wave(x * 4096 / long + first) / 4096 + tall * wave(x * 9000 / long + second) / 12288
        });
        base += 430;
    }
    if mentions(&WATER) {
        let sea = mix(palette.sky[0], 0x1c5478, 110);
        canvas.below(sea, |_| 2760);
        for _ in 0..26 {
            let (x, y, long) = (dice.between(0, span), dice.between(2800, HEIGHT), dice.between(60, 320));
            canvas.ellipse((x, y), (long, 9), Paint(palette.light, 80));
        }
    }
}

/// A smooth wave of period 4096 and height 4096, made of parabolas.
fn wave(phase: i64) -> i64 {
    let (half, place) = (phase.div_euclid(2048), phase.rem_euclid(2048));
    let arch = place * (2048 - place) / 256;
    if half.rem_euclid(2) == 0 { arch } else { -arch }
}

fn caption(canvas: &mut Canvas, prompt: &str) {
    let span = canvas.span();
    let dot = (span / 190).clamp(10, 22);
    let columns = usize::try_from((span - 16 * dot) / (font::ADVANCE * dot)).unwrap_or(1);
    let lines = font::wrap(prompt, columns, 2);
    let top = HEIGHT - (i64::try_from(lines.len()).unwrap_or(1) * font::LINE + 7) * dot;
    canvas.rectangle((0, top), (span, HEIGHT), Paint(0x0e1018, 150));
    for (place, line) in (0..).zip(&lines) {
        let at = (8 * dot, top + (5 + place * font::LINE) * dot);
        font::write(canvas, at, dot, (line, Paint(0xf6f4ec, 240)));
    }
}
