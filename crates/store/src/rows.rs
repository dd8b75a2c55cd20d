//! Many rows at once, in the words of both databases.

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::error::StoreError;

/// A value of a row. That there is none must be said of what there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Integer(i64),
    MaybeText(Option<String>),
    MaybeInteger(Option<i64>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::MaybeText(text)
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Self {
        Self::MaybeInteger(number)
    }
}

/// Rows go in by so many at a time: few sizes, so that the database knows the statements.
const SIZES: [usize; 3] = [64, 8, 1];

/// A statement that adds rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insert {
    /// Up to `VALUES`.
    pub(crate) head: &'static str,
    /// How many columns there are.
    pub(crate) width: usize,
    /// What comes behind the rows.
    pub(crate) tail: &'static str,
}

impl Insert {
    /// Adds rows, and gives what the statement returns.
    pub(crate) async fn run(&self, on: &mut Transaction<'_, Any>, rows: Vec<Vec<Cell>>) -> Result<Vec<AnyRow>, StoreError> {
        let mut returned = Vec::new();
        // SQLite looks a parameter's number up among all of a statement's; where none has one, there is nothing to look up.
        let numbered = on.backend_name() != "SQLite";
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let left = rows.len();
            let size = SIZES.into_iter().find(|size| *size <= left).unwrap_or(1);
            let mut query = sqlx::query(AssertSqlSafe(self.statement(size, numbered)));
            for cell in rows.by_ref().take(size).flatten() {
                query = match cell {
                    Cell::Text(text) => query.bind(text),
                    Cell::Integer(number) => query.bind(number),
                    Cell::MaybeText(text) => query.bind(text),
                    Cell::MaybeInteger(number) => query.bind(number),
                };
            }
            returned.extend(query.fetch_all(&mut **on).await?);
        }
        Ok(returned)
    }

    /// The statement for that many rows: of constants alone.
    fn statement(&self, size: usize, numbered: bool) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + size * self.width * 8);
        let mut number = itoa::Buffer::new();
        text.push_str(self.head);
        text.push_str(" VALUES ");
        for row in 0..size {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.width {
                if column > 0 {
                    text.push_str(", ");
                }
                if numbered {
                    text.push('$');
                    text.push_str(number.format(row * self.width + column + 1));
                } else {
                    text.push('?');
                }
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}
