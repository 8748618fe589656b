//! Pictures between the lines of a terminal that can show them: those that speak kitty's or iTerm2's protocol.

use std::io::{self, IsTerminal as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, ImageReader, Limits};

use crate::environment;

/// Columns that a picture takes.
const COLUMNS: u32 = 40;
/// Pixels of its longer side.
const SIDE: u32 = 512;
/// Bytes that decoding may take: enough for forty million pixels.
const MEMORY: u64 = 256 << 20;
/// Most characters of one piece in kitty's protocol.
const PIECE: usize = 4096;

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// <https://iterm2.com/documentation-images.html>
    Iterm,
}

impl Protocol {
    /// The protocol of the terminal that shows the remarks, if it has one.
    pub(crate) fn of_terminal() -> Option<Self> {
        let (term, program) = environment::terminal();
        io::stderr().is_terminal().then(|| Self::of(&term, &program))?
    }

    fn of(term: &str, program: &str) -> Option<Self> {
        // Multiplexers swallow or garble what they do not know.
        if term.starts_with("screen") || term.starts_with("tmux") {
            return None;
        }
        match (term, program) {
            ("xterm-kitty" | "xterm-ghostty", _) | (_, "kitty" | "ghostty") => Some(Self::Kitty),
            (_, "iTerm.app" | "WezTerm" | "mintty") => Some(Self::Iterm),
            _ => None,
        }
    }

    /// Shows a picture on standard error. What cannot be read is not shown: it is an extra, and the file is what counts.
    pub(crate) fn show(self, picture: &[u8]) {
        if let Some(png) = thumbnail(picture) {
            let mut stream = io::stderr().lock();
            // A closed terminal leaves nobody to show it to.
            drop(stream.write_all(self.sequence(&png).as_bytes()).and_then(|()| stream.flush()));
        }
    }

    /// A PNG file as the terminal takes it.
    fn sequence(self, png: &[u8]) -> String {
        let text = STANDARD.encode(png);
        match self {
            Self::Iterm => {
                format!(
                    "\x1b]1337;File=inline=1;size={};width={COLUMNS};preserveAspectRatio=1:{text}\x07\n",
                    png.len()
                )
            }
            Self::Kitty => {
                let mut sequence = String::with_capacity(text.len() + text.len() / 256 + 64);
                let mut control = format!("a=T,f=100,q=2,c={COLUMNS},");
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    let (piece, more) = rest.split_at(rest.len().min(PIECE));
                    let is_more = u8::from(!more.is_empty());
                    sequence.push_str(&format!("\x1b_G{control}m={is_more};{piece}\x1b\\"));
                    control.clear();
                    rest = more;
                }
                sequence.push('\n');
                sequence
            }
        }
    }
}

/// A picture as a small PNG; nothing for what is none.
fn thumbnail(picture: &[u8]) -> Option<Vec<u8>> {
    let mut reader = ImageReader::new(io::Cursor::new(picture)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let small = reader.decode().ok()?.thumbnail(SIDE, SIDE);
    let mut png = io::Cursor::new(Vec::new());
    small.to_rgba8().write_to(&mut png, ImageFormat::Png).ok()?;
    Some(png.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(side: u32) -> Vec<u8> {
        let mut jpeg = io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(side, side, |x, y| {
            image::Rgb([((x * 7) ^ (y * 13)) as u8, y as u8, x as u8])
        });
        picture.write_to(&mut jpeg, ImageFormat::Jpeg).expect("a picture");
        jpeg.into_inner()
    }

    #[test]
    fn only_terminals_that_can_are_shown_pictures() {
        assert_eq!(Protocol::of("xterm-kitty", ""), Some(Protocol::Kitty));
        assert_eq!(Protocol::of("xterm-256color", "iTerm.app"), Some(Protocol::Iterm));
        for (term, program) in
            [("xterm-256color", ""), ("dumb", ""), ("tmux-256color", "iTerm.app"), ("screen", "kitty")]
        {
            assert_eq!(Protocol::of(term, program), None, "{term} {program}");
        }
    }

    #[test]
    fn a_picture_is_one_small_png_in_pieces_that_end_once() {
        let png = thumbnail(&drawing(1024)).expect("a picture");
        let sequence = Protocol::Kitty.sequence(&png);
        let pieces: Vec<_> = sequence.trim_end().split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(pieces.len() > 1);
        assert!(pieces[0].starts_with("\x1b_Ga=T,f=100,q=2,c=40,m=1;"));
        assert!(pieces[1..pieces.len() - 1].iter().all(|piece| piece.starts_with("\x1b_Gm=1;")));
        assert!(pieces[pieces.len() - 1].starts_with("\x1b_Gm=0;"));
        let text: String = pieces.iter().map(|piece| piece.split_once(';').expect("a piece").1).collect();
        let read = image::load_from_memory(&STANDARD.decode(text).expect("base64")).expect("a picture");
        assert_eq!((read.width(), read.height()), (SIDE, SIDE));
    }

    #[test]
    fn what_is_no_picture_is_not_shown() {
        assert_eq!(thumbnail(b"<html>"), None);
    }
}
