//! The things a picture can show, each drawn from a few shapes.

use super::canvas::{Canvas, Color, Paint, mix};
use super::scene::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Animal,
    Bird,
    Boat,
    City,
    House,
    Tree,
}

/// Something to draw, in its colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    kind: Kind,
    color: Color,
}

/// What the words name, from the back of the scene to its front. The places 1 to 4 suit every landscape.
const KINDS: [(Kind, Color, &[&str]); 9] = [
    (Kind::City, 0x464e68, &["city", "skyline", "street", "town", "tower", "towers", "building"]),
    (Kind::House, 0xd6a876, &["house", "home", "cottage", "cabin", "village", "hut", "barn"]),
    (Kind::Tree, 0x2e5e46, &["tree", "trees", "forest", "wood", "woods", "pine", "jungle", "park"]),
    (Kind::Bird, 0x2c2c3a, &["bird", "birds", "eagle", "gull", "crow", "owl", "dragon"]),
    (Kind::Animal, 0xd67030, &["fox", "foxes", "tiger", "squirrel"]),
    (Kind::Animal, 0x3a3842, &["cat", "cats", "kitten", "panther", "bear"]),
    (Kind::Animal, 0x966c46, &["dog", "dogs", "puppy", "lion", "corgi"]),
    (Kind::Animal, 0x8c909a, &["wolf", "wolves", "mouse", "rabbit", "bunny", "animal"]),
    (Kind::Boat, 0xa84a3a, &["boat", "ship", "sail", "sailing", "harbour", "harbor", "yacht"]),
];

const COLORS: [(&str, Color); 7] = [
    ("red", 0xc83430),
    ("orange", 0xe47c2c),
    ("yellow", 0xf0ca48),
    ("green", 0x489252),
    ("blue", 0x3c68be),
    ("white", 0xf0f0ec),
    ("black", 0x26262e),
];

impl Subject {
    /// At most three subjects that the words name, back to front; the dice's choice when they name none. A colour
    /// among the words colours the last.
    pub(super) fn in_words(words: &[&str], dice: &mut Dice) -> Vec<Self> {
        let mut found: Vec<Self> = KINDS
            .iter()
            .filter(|(_, _, names)| names.iter().any(|name| words.contains(name)))
            .map(|&(kind, color, _)| Self { kind, color })
            .take(3)
            .collect();
        if found.is_empty() {
            let (kind, color, _) = KINDS[usize::try_from(dice.between(1, 5)).unwrap_or(1)];
            found.push(Self { kind, color });
        }
        let color = COLORS.iter().find(|(name, _)| words.contains(name));
        if let (Some(subject), Some((_, color))) = (found.last_mut(), color) {
            subject.color = *color;
        }
        found
    }

    /// Draws it at places of the dice's choice.
    pub(super) fn draw(self, canvas: &mut Canvas, dice: &mut Dice) {
        let span = canvas.span();
        let (copies, size) = match self.kind {
            Kind::Tree => (dice.between(5, 10), 300),
            Kind::Bird => (dice.between(3, 7), 130),
            Kind::City => (1, 0),
            Kind::House => (dice.between(1, 4), 340),
            Kind::Animal | Kind::Boat => (1, 520),
        };
        for copy in 0..copies {
            let x = span * (2 * copy + 1) / (2 * copies) + dice.between(-span / 12, span / 12);
            let size = size * dice.between(80, 121) / 100;
            self.draw_once(canvas, dice, (x, size));
        }
    }

    fn draw_once(self, canvas: &mut Canvas, dice: &mut Dice, (x, size): (i64, i64)) {
        match self.kind {
            Kind::Animal => self.animal(canvas, x, size),
            Kind::Bird => self.bird(canvas, (x, dice.between(500, 1700)), size),
            Kind::Boat => self.boat(canvas, x, size),
            Kind::City => self.city(canvas, dice),
            Kind::House => self.house(canvas, (x, dice.between(2800, 3100)), size),
            Kind::Tree => self.tree(canvas, (x, dice.between(2700, 3200)), size),
        }
    }

    fn dark(self) -> Color {
        mix(self.color, 0x14141e, 90)
    }

    fn light(self) -> Color {
        mix(self.color, 0xfffaf0, 130)
    }

    fn animal(self, canvas: &mut Canvas, x: i64, s: i64) {
        let y = 2900;
        canvas.ellipse((x, y + s * 6 / 10), (s * 11 / 10, s / 9), Paint(0x000000, 60));
        canvas.ellipse((x + s * 8 / 10, y + s / 5), (s * 45 / 100, s / 6), self.color);
        canvas.ellipse((x + s * 12 / 10, y + s / 7), (s / 7, s / 10), self.light());
        canvas.ellipse((x, y + s / 10), (s * 5 / 10, s * 52 / 100), self.color);
        canvas.ellipse((x, y + s / 4), (s * 26 / 100, s * 36 / 100), self.light());
        for side in [-1, 1] {
            let ear = |dx: i64, dy: i64| (x + side * s * dx / 100, y - s * dy / 100);
            canvas.triangle([ear(42, 112), ear(8, 78), ear(44, 56)], self.color);
            canvas.triangle([ear(37, 98), ear(19, 76), ear(38, 66)], self.dark());
            canvas.ellipse((x + side * s / 4, y + s * 58 / 100), (s / 6, s / 11), self.dark());
        }
        canvas.ellipse((x, y - s / 2), (s * 44 / 100, s * 38 / 100), self.color);
        canvas.ellipse((x, y - s * 34 / 100), (s / 4, s / 5), self.light());
        for side in [-1, 1] {
            canvas.ellipse((x + side * s * 17 / 100, y - s * 54 / 100), (s / 16, s / 13), 0x18161c);
            canvas.ellipse((x + side * s * 17 / 100 - s / 50, y - s * 57 / 100), (s / 50, s / 50), 0xffffff);
        }
        canvas.ellipse((x, y - s * 39 / 100), (s / 14, s / 20), 0x221a1e);
    }

    fn bird(self, canvas: &mut Canvas, (x, y): (i64, i64), s: i64) {
        for side in [-1, 1] {
            canvas.triangle([(x, y), (x + side * s, y - s / 2), (x + side * s / 3, y + s / 7)], self.color);
        }
        canvas.ellipse((x, y), (s / 6, s / 10), self.color);
    }

    fn boat(self, canvas: &mut Canvas, x: i64, s: i64) {
        let y = 3000;
        canvas.rectangle((x - s / 40, y - s * 15 / 10), (x + s / 40, y), 0x584032);
        canvas.triangle(
            [(x + s / 12, y - s * 14 / 10), (x + s / 12, y - s / 6), (x + s * 8 / 10, y - s / 6)],
            0xf6f2e6,
        );
        canvas.triangle(
            [(x - s / 12, y - s * 11 / 10), (x - s / 12, y - s / 6), (x - s * 6 / 10, y - s / 6)],
            0xe0d8c8,
        );
        canvas.triangle([(x - s, y), (x - s / 2, y + s / 3), (x - s / 2, y)], self.color);
        canvas.triangle([(x + s, y), (x + s / 2, y + s / 3), (x + s / 2, y)], self.color);
        canvas.rectangle((x - s / 2, y), (x + s / 2, y + s / 3), self.color);
        canvas.rectangle((x - s * 9 / 10, y), (x + s * 9 / 10, y + s / 14), self.light());
    }

    fn city(self, canvas: &mut Canvas, dice: &mut Dice) {
        let (span, mut x) = (canvas.span(), -100);
        while x < span {
            let (wide, top) = (dice.between(200, 380), dice.between(1300, 2500));
            canvas.rectangle((x, top), (x + wide, 3250), mix(self.color, 0x14182c, dice.between(0, 150)));
            for y in (top + 80..3150).step_by(150) {
                for window in (x + 45..x + wide - 60).step_by(95) {
                    if dice.between(0, 3) > 0 {
                        canvas.rectangle((window, y), (window + 45, y + 70), Paint(0xffe296, 190));
                    }
                }
            }
            x += wide + dice.between(-20, 60);
        }
    }

    fn house(self, canvas: &mut Canvas, (x, y): (i64, i64), s: i64) {
        canvas.rectangle((x + s * 3 / 10, y - s * 14 / 10), (x + s / 2, y - s * 8 / 10), 0x6e4e46);
        canvas.rectangle((x - s * 7 / 10, y - s * 8 / 10), (x + s * 7 / 10, y), self.color);
        canvas.triangle(
            [(x, y - s * 15 / 10), (x - s * 9 / 10, y - s * 78 / 100), (x + s * 9 / 10, y - s * 78 / 100)],
            0x964238,
        );
        canvas.rectangle((x - s / 8, y - s / 2), (x + s / 8, y), self.dark());
        for side in [-1, 1] {
            let center = x + side * s * 42 / 100;
            canvas.rectangle((center - s / 8, y - s * 55 / 100), (center + s / 8, y - s * 3 / 10), 0xffe8a0);
        }
    }

    fn tree(self, canvas: &mut Canvas, (x, y): (i64, i64), s: i64) {
        canvas.rectangle((x - s / 10, y - s / 3), (x + s / 10, y + s / 8), 0x5c4232);
        for (place, shade) in [(0, 50), (1, 20), (2, 0)] {
            let (base, wide) = (y - s / 4 - place * s * 45 / 100, s * (62 - 13 * place) / 100);
            let color = mix(self.color, 0x102228, shade);
            canvas.triangle([(x, base - s * 9 / 10), (x - wide, base), (x + wide, base)], color);
        }
    }
}
