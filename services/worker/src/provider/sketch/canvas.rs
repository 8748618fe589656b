//! A canvas for smooth flat shapes, in integer arithmetic so that every machine draws the same pixels.

use image::RgbImage;

/// Height of every canvas in drawing units; the width follows from the aspect ratio.
pub(super) const HEIGHT: i64 = 4000;

/// Sample points of a pixel, in quarters of a pixel: the share of them inside a shape smooths its edge.
const SAMPLES: [(i64, i64); 4] = [(1, 1), (3, 1), (1, 3), (3, 3)];

/// `0xRRGGBB`.
pub(super) type Color = u32;

/// A place in drawing units, from the top left.
pub(super) type Point = (i64, i64);

/// A colour and how much of it covers what is below: 256 hides it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) Color, pub(super) i64);

impl From<Color> for Paint {
    fn from(color: Color) -> Self {
        Self(color, 256)
    }
}

/// An image that is being drawn, addressed in units of 1/4000 of its height.
pub(super) struct Canvas {
    width: i64,
    height: i64,
    pixels: RgbImage,
}

impl Canvas {
    /// A black canvas of so many pixels.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width: width.into(), height: height.into(), pixels: RgbImage::new(width, height) }
    }

    /// Its width in drawing units.
    pub(super) fn span(&self) -> i64 {
        self.width * HEIGHT / self.height
    }

    /// The drawn pixels.
    pub(super) fn into_pixels(self) -> RgbImage {
        self.pixels
    }

    /// Fills everything with a vertical gradient.
    pub(super) fn gradient(&mut self, top: Color, bottom: Color) {
        let last = (self.height - 1).max(1);
        for (y, row) in (0..).zip(self.pixels.rows_mut()) {
            let color = mix(top, bottom, 256 * y / last);
            row.for_each(|pixel| pixel.0 = channels(color));
        }
    }

    /// Draws an ellipse.
    pub(super) fn ellipse(&mut self, (x, y): Point, (rx, ry): Point, paint: impl Into<Paint>) {
        let (cx, cy) = (self.quarters(x), self.quarters(y));
        let (rx, ry) = (self.quarters(rx).max(1), self.quarters(ry).max(1));
        let bounds = (cx - rx, cy - ry, cx + rx, cy + ry);
        self.fill(bounds, paint.into(), |x, y| {
            let (dx, dy) = (x - cx, y - cy);
            dx * dx * ry * ry + dy * dy * rx * rx <= rx * rx * ry * ry
        });
    }

    /// Draws a rectangle between two corners.
    pub(super) fn rectangle(&mut self, (x0, y0): Point, (x1, y1): Point, paint: impl Into<Paint>) {
        let bounds = (self.quarters(x0), self.quarters(y0), self.quarters(x1), self.quarters(y1));
        let (left, top, right, bottom) = bounds;
        self.fill(bounds, paint.into(), |x, y| x >= left && x < right && y >= top && y < bottom);
    }

    /// Draws a triangle.
    pub(super) fn triangle(&mut self, corners: [Point; 3], paint: impl Into<Paint>) {
        let [a, b, c] = corners.map(|(x, y)| (self.quarters(x), self.quarters(y)));
        let bounds =
            (a.0.min(b.0).min(c.0), a.1.min(b.1).min(c.1), a.0.max(b.0).max(c.0), a.1.max(b.1).max(c.1));
        let side = |p: Point, q: Point, x: i64, y: i64| (q.0 - p.0) * (y - p.1) - (q.1 - p.1) * (x - p.0);
        self.fill(bounds, paint.into(), |x, y| {
            let sides = [side(a, b, x, y), side(b, c, x, y), side(c, a, x, y)];
            sides.iter().all(|&s| s >= 0) || sides.iter().all(|&s| s <= 0)
        });
    }

    /// Fills everything below a line that gives a height for each place.
    pub(super) fn below(&mut self, paint: impl Into<Paint>, line: impl Fn(i64) -> i64) {
        let heights: Vec<i64> =
            (0..4 * self.width).map(|x| self.quarters(line(x * HEIGHT / (4 * self.height)))).collect();
        let top = heights.iter().copied().min().unwrap_or(0);
        let bounds = (0, top, 4 * self.width, 4 * self.height);
        self.fill(bounds, paint.into(), |x, y| {
            usize::try_from(x).ok().and_then(|x| heights.get(x)).is_some_and(|&height| y >= height)
        });
    }

    /// Draws a pattern of five dots by seven: a row per digit of base 32. A dot is `dot` units wide and high.
    pub(super) fn stamp(&mut self, (x, y): Point, dot: i64, rows: &str, paint: Paint) {
        let rows: Vec<u32> = rows.chars().filter_map(|row| row.to_digit(32)).collect();
        let (left, top) = (self.quarters(x), self.quarters(y));
        let (right, bottom) = (self.quarters(x + 5 * dot), self.quarters(y + 7 * dot));
        self.fill((left, top, right, bottom), paint, |x, y| {
            let inside = x >= left && x < right && y >= top && y < bottom;
            let row =
                usize::try_from((y - top) * 7 / (bottom - top).max(1)).ok().and_then(|row| rows.get(row));
            inside && row.is_some_and(|bits| bits & (0x10 >> ((x - left) * 5 / (right - left).max(1))) != 0)
        });
    }

    fn quarters(&self, units: i64) -> i64 {
        units * 4 * self.height / HEIGHT
    }

    fn fill(&mut self, bounds: (i64, i64, i64, i64), paint: Paint, inside: impl Fn(i64, i64) -> bool) {
        let columns = (bounds.0 / 4).max(0)..(bounds.2 / 4 + 1).min(self.width);
        let rows = (bounds.1 / 4).max(0)..(bounds.3 / 4 + 1).min(self.height);
        for y in rows {
            for x in columns.clone() {
                let hits = SAMPLES.iter().filter(|(dx, dy)| inside(4 * x + dx, 4 * y + dy)).count();
                if let (1.., Ok(column), Ok(row)) = (hits, u32::try_from(x), u32::try_from(y)) {
                    let share = paint.1 * i64::try_from(hits).unwrap_or(4) / 4;
                    blend(&mut self.pixels.get_pixel_mut(column, row).0, channels(paint.0), share);
                }
            }
        }
    }
}

/// The colour `share` of 256 on the way from one to the other.
pub(super) fn mix(from: Color, to: Color, share: i64) -> Color {
    let mut mixed = channels(from);
    blend(&mut mixed, channels(to), share);
    u32::from_be_bytes([0, mixed[0], mixed[1], mixed[2]])
}

fn channels(color: Color) -> [u8; 3] {
    let [_, red, green, blue] = color.to_be_bytes();
    [red, green, blue]
}

fn blend(below: &mut [u8; 3], above: [u8; 3], share: i64) {
    for (channel, target) in below.iter_mut().zip(above) {
        let value = i64::from(*channel) + (i64::from(target) - i64::from(*channel)) * share / 256;
        *channel = u8::try_from(value).unwrap_or(u8::MAX);
    }
}
