//! Walks the containers of PNG, JPEG and WebP: is the file whole, and is it a single picture?
//!
//! Decoders forgive a missing end (a cut JPEG decodes to a half grey picture); results that are paid for must be whole.

use super::Unusable;
use crate::format::Format;

pub(super) fn check(format: Format, file: &[u8]) -> Result<(), Unusable> {
    match format {
        Format::Png => png(file),
        Format::Jpeg => jpeg(file),
        Format::Webp => webp(file),
    }
}

/// Chunks of length, type, data, checksum from byte 8 to `IEND`; `acTL` announces an animation.
fn png(file: &[u8]) -> Result<(), Unusable> {
    let mut at = 8;
    loop {
        let head = slice(file, at, 8)?;
        let length = usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let length = length.map_err(|_| Unusable::Truncated)?;
        slice(file, at + 8, length.saturating_add(4))?;
        match &head[4..] {
            b"acTL" => return Err(Unusable::Animated),
            b"IEND" => return Ok(()),
            _ => at += length + 12,
        }
    }
}

/// Segments from byte 2 to the end-of-image marker; entropy-coded data follows each start of scan.
fn jpeg(file: &[u8]) -> Result<(), Unusable> {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2;
    loop {
        let marker = marker(file, at).ok_or(Unusable::Truncated)?;
        let [_, code] = *slice(file, marker, 2)? else { return Err(Unusable::Truncated) };
        if code == END_OF_IMAGE {
            return Ok(());
        }
        let length = slice(file, marker + 2, 2)?;
        at = marker + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        slice(file, at, 1)?;
        if code != START_OF_SCAN && file[at] != 0xff {
            return Err(Unusable::Truncated);
        }
    }
}

/// The next marker that ends entropy-coded data: `ff` not followed by `00` (stuffing), a restart or another `ff`.
fn marker(file: &[u8], from: usize) -> Option<usize> {
    let tail = file.get(from..)?;
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    tail.windows(2).position(is_marker).map(|place| from + place)
}

/// The RIFF header states the length; an extended file flags an animation.
fn webp(file: &[u8]) -> Result<(), Unusable> {
    const ANIMATION: u8 = 0x02;
    let head = slice(file, 0, 20)?;
    let length = usize::try_from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    slice(file, 8, length.map_err(|_| Unusable::Truncated)?)?;
    if &head[12..16] == b"VP8X" && slice(file, 20, 1)?[0] & ANIMATION != 0 {
        return Err(Unusable::Animated);
    }
    Ok(())
}

fn slice(file: &[u8], from: usize, length: usize) -> Result<&[u8], Unusable> {
    file.get(from..from.saturating_add(length)).ok_or(Unusable::Truncated)
}
