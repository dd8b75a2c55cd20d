//! Many rows at once, in the words of both databases.

use std::borrow::Cow;

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
    /// The statement for that many rows: of constants alone.
    pub(crate) fn statement(&self, size: usize) -> String {
        let mut number = itoa::Buffer::new();
        self.written(size, |text, at| {
            text.push('$');
            text.push_str(number.format(at));
        })
    }

    /// The statement for one row, for SQLite. It looks a parameter's number up among all of a statement's; where none has one, there
    /// is nothing to look up.
    pub(crate) fn statement_for_one(&self) -> String {
        self.written(1, |text, _| text.push('?'))
    }

    fn written(&self, size: usize, mut parameter: impl FnMut(&mut String, usize)) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + size * self.width * 8);
        text.push_str(self.head);
        text.push_str(" VALUES ");
        for row in 0..size {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.width {
                if column > 0 {
                    text.push_str(", ");
                }
                parameter(&mut text, row * self.width + column + 1);
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}
