//! Capital letters of five by seven dots, for captions.

use super::canvas::{Canvas, Paint, Point};

/// Dots from one letter to the next.
pub(super) const ADVANCE: i64 = 6;

/// Dots from one line to the next.
pub(super) const LINE: i64 = 10;

/// A letter, then its seven rows from the top; a row is a digit of base 32 whose bits are its five dots.
const LETTERS: &str = "\
    AEHHVHHH BUHHUHHU CEHGGGHE DUHHHHHU EVGGUGGV FVGGUGGG GEHGNHHF HHHHVHHH IE44444E J72222IC KHIKOKIH \
    LGGGGGGV MHRLLHHH NHHPLJHH OEHHHHHE PUHHUGGG QEHHHLID RUHHUKIH SFGGE11U TV444444 UHHHHHHE VHHHHHA4 \
    WHHHLLLA XHHA4AHH YHHA4444 ZV1248GV 0EHJLPHE 14C4444E 2EH1248V 3V2421HE 426AIV22 5VGU11HE 668GUHHE \
    7V124888 8EHHEHHE 9EHHF12C .00000CC ,0000C48 !4444404 ?EH12404 -000E000 'C480000 :0CC0CC0";

/// What stands for every character without a letter here.
const UNKNOWN: &str = "VHHHHHV";

/// Writes one line of text; a dot is `dot` drawing units wide and high.
pub(super) fn write(canvas: &mut Canvas, (left, top): Point, dot: i64, (text, paint): (&str, Paint)) {
    for (place, character) in (0..).zip(text.chars()).filter(|(_, character)| *character != ' ') {
        let rows = LETTERS.split(' ').find_map(|entry| entry.strip_prefix(character)).unwrap_or(UNKNOWN);
        canvas.stamp((left + place * ADVANCE * dot, top), dot, rows, paint);
    }
}

/// Breaks a text into at most `limit` lines of `columns` capital letters; three dots say that some is missing.
pub(super) fn wrap(text: &str, columns: usize, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let length = |text: &str| text.chars().count();
    for word in text.split_whitespace() {
        let word: String = word.to_uppercase().chars().take(columns).collect();
        let full = lines.len() == limit;
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(&word) <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if full => {
                *line = line.chars().take(columns.saturating_sub(3)).chain("...".chars()).collect();
                break;
            }
            _ => lines.push(word),
        }
    }
    lines
}
