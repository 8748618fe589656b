//! Which sizes besides the listed ones a model takes.

use std::fmt;

use imagioo_picture::Size;

use super::CustomSize;

impl CustomSize {
    pub(crate) fn allows(&self, size: Size) -> bool {
        let (longer, shorter) = (size.width.max(size.height), size.width.min(size.height));
        size.width.is_multiple_of(self.multiple_of)
            && size.height.is_multiple_of(self.multiple_of)
            && (self.min_pixels..=self.max_pixels).contains(&size.pixels())
            && longer <= self.max_side
            && f64::from(longer) <= self.max_ratio * f64::from(shorter)
    }
}

impl fmt::Display for CustomSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { multiple_of, min_pixels, max_pixels, max_side, max_ratio } = self;
        write!(
            f,
            "width and height must be multiples of {multiple_of} up to {max_side}, {min_pixels} to {max_pixels} pixels \
             in all, the longer side at most {max_ratio} times the shorter"
        )
    }
}
