//! Sizes in pixels, written `1024x1024`.

use std::fmt;
use std::str::FromStr;

/// Width and height in pixels, both above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// A text that is not of the form `1024x1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size looks like 1024x1024")]
pub struct InvalidSize;

impl Size {
    /// Width times height.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let (width, height) = text.split_once('x').ok_or(InvalidSize)?;
        let side = |digits: &str| {
            let plain = !digits.starts_with(['0', '+']);
            digits.parse().ok().filter(|_| plain).ok_or(InvalidSize)
        };
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_spelling() {
        let size: Size = "1536x1024".parse().expect("a size");
        assert_eq!((size.width, size.height, size.pixels()), (1536, 1024, 1_572_864));
        assert_eq!(size.to_string(), "1536x1024");
        for text in ["", "x", "1024", "1024x", "0x10", "01x10", "+1x10", "1024X1024", "1x2x3", "4294967296x1"]
        {
            assert_eq!(text.parse::<Size>(), Err(InvalidSize), "{text}");
        }
    }
}
