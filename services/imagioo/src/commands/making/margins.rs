//! How much is added around a picture.

use imagioo_proto::generation::v1::{Image, Margins};

use crate::failure::Failure;

/// Most pixels that one side can get.
const MOST: i32 = 4096;

/// Reads margins such as `256,0,256,0`: left, top, right, bottom.
pub(in crate::commands) fn margins(text: &str) -> Result<Margins, &'static str> {
    let wrong = "four numbers from 0 to 4096, such as 256,0,256,0";
    let sides: Vec<i32> =
        text.split(',').map(|side| side.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong)?;
    match sides[..] {
        [left, top, right, bottom] if sides.iter().all(|side| (0..=MOST).contains(side)) => {
            Ok(Margins { left, top, right, bottom })
        }
        _ => Err(wrong),
    }
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) struct Frame {
    width: i32,
    height: i32,
}

/// Reads a frame such as `1536x1024`.
pub(in crate::commands) fn frame(text: &str) -> Result<Frame, &'static str> {
    let read = || {
        let (width, height) = text.split_once('x')?;
        Some(Frame { width: width.parse().ok()?, height: height.parse().ok()? })
    };
    let frame = read().filter(|frame| frame.width > 0 && frame.height > 0);
    frame.ok_or("width and height in pixels, such as 1536x1024")
}

impl Frame {
    /// What it takes for the image to become this large, the image in the middle.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the image is not smaller, or far smaller.
    pub(in crate::commands) fn around(self, image: &Image) -> Result<Margins, Failure> {
        let (wide, high) = (self.width - image.width, self.height - image.height);
        let fits = wide >= 0 && high >= 0 && wide + high > 0;
        let (left, top) = (wide / 2, high / 2);
        let margins = Margins { left, top, right: wide - left, bottom: high - top };
        if fits && margins.right <= MOST && margins.bottom <= MOST {
            return Ok(margins);
        }
        let (width, height) = (image.width, image.height);
        Err(Failure::usage(
            format!(
                "a picture of {width}x{height} cannot become {}x{} by adding to it",
                self.width, self.height
            ),
            "name a larger `--to`, at most 4096 more on each side, or say `--margins`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_four_numbers() {
        let expected = Margins { left: 1, top: 2, right: 3, bottom: 4 };
        assert_eq!(margins("1, 2,3,4"), Ok(expected));
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "1,2,3,5000", "a,b,c,d"] {
            assert!(margins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_frame_puts_the_picture_into_its_middle() {
        let image = |width, height| Image { width, height, ..Image::default() };
        let wide = frame("1025x600").expect("a frame");
        assert_eq!(
            wide.around(&image(512, 512)).expect("margins"),
            Margins { left: 256, top: 44, right: 257, bottom: 44 }
        );
        for (width, height) in [(1025, 600), (1026, 100), (100, 601)] {
            assert!(wide.around(&image(width, height)).is_err(), "{width}x{height}");
        }
        assert!(frame("20000x600").expect("a frame").around(&image(512, 512)).is_err());
        for text in ["", "12", "0x12", "-1x12", "axb", "1x2x3"] {
            assert!(frame(text).is_err(), "{text}");
        }
    }
}
