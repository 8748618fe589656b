//! Tables for people: aligned columns, the last one cut to the terminal.

use std::borrow::Cow;

use console::{Alignment, measure_text_width, pad_str, truncate_str};

use crate::output::tame;

/// Blanks between two columns.
const GAP: &str = "  ";
/// The last column never gets narrower than this, even if lines then wrap.
const NARROWEST: usize = 16;

/// Rows under a heading.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&text| text.to_owned()).collect()] }
    }

    /// Adds a row; its cells are made harmless for terminals.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| tame(&cell)).collect());
    }

    /// The lines, heading first. The last column is cut so that a line fits `width` columns, if given.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP.len()).sum();
        let room = width.map(|width| width.saturating_sub(before).max(NARROWEST));
        self.rows.iter().map(|row| line(row, &widths, room)).collect()
    }
}

fn line(row: &[String], widths: &[usize], room: Option<usize>) -> String {
    let cells = row.iter().enumerate().map(|(column, cell)| {
        if column + 1 < widths.len() {
            return pad_str(cell, widths[column], Alignment::Left, None);
        }
        room.map_or(Cow::Borrowed(cell.as_str()), |room| truncate_str(cell, room, "…"))
    });
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "PROMPT"]);
        table.row(["a".to_owned(), "a red fox in the snow at night".to_owned()]);
        table.row(["longer".to_owned(), "狐\nin snow".to_owned()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_without_a_width() {
        let expected = ["NAME    PROMPT", "a       a red fox in the snow at night", "longer  狐 in snow"];
        assert_eq!(table().lines(None), expected);
    }

    #[test]
    fn the_last_column_is_cut_to_the_terminal() {
        let lines = table().lines(Some(26));
        assert_eq!(lines[1], "a       a red fox in the …");
        assert!(lines.iter().all(|line| measure_text_width(line) <= 26));
    }

    #[test]
    fn a_very_narrow_terminal_still_shows_something() {
        assert_eq!(table().lines(Some(3))[1], "a       a red fox in th…");
    }

    #[test]
    fn wide_characters_count_double() {
        let mut table = Table::new(&["P"]);
        table.row(["狐狐狐狐狐狐狐狐狐狐".to_owned()]);
        let lines = table.lines(Some(16));
        assert!(measure_text_width(&lines[1]) <= 16);
        assert!(lines[1].ends_with('…'));
    }
}
