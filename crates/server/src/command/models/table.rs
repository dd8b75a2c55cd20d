//! Columns of text.

use std::fmt;
use std::ops::Range;

/// Rows under a heading, each column as wide as its widest cell.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand at the right.
    numbers: Range<usize>,
}

impl Table {
    pub(super) fn new(heading: &[&str], numbers: Range<usize>) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()], numbers }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.rows.first().map_or(0, Vec::len)).map(|column| self.width(column)).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match self.numbers.contains(&column) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            if number > 0 {
                out.write_str("\n")?;
            }
            out.write_str(line.trim_end())?;
        }
        Ok(())
    }
}
