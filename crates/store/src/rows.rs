//! Many rows at once, in the words of both databases.

use std::borrow::Cow;

use sqlx::{Any, AssertSqlSafe, Connection, Transaction};

use crate::error::StoreError;

/// A value of a row. That there is none must be said of what there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    MaybeText(Option<Cow<'a, str>>),
    MaybeInteger(Option<i64>),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Cell<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::MaybeText(text.map(Cow::Borrowed))
    }
}

impl From<Option<i64>> for Cell<'_> {
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
    /// Adds rows; how many it touched.
    pub(crate) async fn run(&self, on: &mut Transaction<'_, Any>, rows: &[Vec<Cell<'_>>]) -> Result<u64, StoreError> {
        // SQLite looks a parameter's number up among all of a statement's; where none has one, there is nothing to look up.
        let numbered = on.backend_name() != "SQLite";
        let (mut left, mut touched) = (rows, 0);
        while !left.is_empty() {
            let size = SIZES.into_iter().find(|size| *size <= left.len()).unwrap_or(1);
            let (some, others) = left.split_at(size);
            left = others;
            let mut query = sqlx::query(AssertSqlSafe(self.statement(size, numbered)));
            for cell in some.iter().flatten() {
                query = match cell {
                    Cell::Text(text) => query.bind(&**text),
                    Cell::Integer(number) => query.bind(*number),
                    Cell::MaybeText(text) => query.bind(text.as_deref()),
                    Cell::MaybeInteger(number) => query.bind(*number),
                };
            }
            touched += query.execute(&mut **on).await?.rows_affected();
        }
        Ok(touched)
    }

    /// Adds rows that may be there; which of them were not. Almost always none was: only where some were is each looked at.
    pub(crate) async fn add(&self, on: &mut Transaction<'_, Any>, rows: &[Vec<Cell<'_>>]) -> Result<Vec<bool>, StoreError> {
        let mut trial = (**on).begin().await?;
        if self.run(&mut trial, rows).await? == rows.len() as u64 {
            trial.commit().await?;
            return Ok(vec![true; rows.len()]);
        }
        trial.rollback().await?;
        let mut added = Vec::with_capacity(rows.len());
        for row in rows {
            added.push(self.run(on, std::slice::from_ref(row)).await? > 0);
        }
        Ok(added)
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
