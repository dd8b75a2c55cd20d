//! The text of model cards, searched in place.
//!
//! The lines are sorted by their first column, so a card is found by halving the text: nothing is parsed or indexed at start,
//! and pages of the text nobody asks for are never read from disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::model::{CardError, ModelCard};

/// Sorted model lines.
#[derive(Clone, Debug)]
pub(super) struct Table {
    text: Cow<'static, str>,
    /// Where the lines begin: behind the comment at the top.
    start: usize,
}

impl Table {
    /// Takes over text that is sorted already, as the embedded file is.
    pub(super) fn of_sorted(text: &'static str) -> Table {
        let mut start = 0;
        while text[start..].starts_with('#') {
            start = text[start..].find('\n').map_or(text.len(), |end| start + end + 1);
        }
        Table { text: Cow::Borrowed(text), start }
    }

    /// Reads a user's lines in any order; of two lines with one name the later replaces fields of the earlier.
    pub(super) fn parse(text: &str) -> Result<Table, CardError> {
        let mut cards: BTreeMap<String, ModelCard> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let read = ModelCard::parse(line)?;
            cards.entry(super::model::key_of(&read.provider, &read.model)).or_default().apply(line)?;
        }
        let mut lines: Vec<(String, String)> = cards.into_iter().map(|(key, card)| (key, card.to_line())).collect();
        lines.sort();
        let text: String = lines.into_iter().flat_map(|(_, line)| [line, "\n".to_owned()]).collect();
        Ok(Table { text: Cow::Owned(text), start: 0 })
    }

    /// The line of that name.
    pub(super) fn find(&self, key: &str) -> Option<&str> {
        let at = self.lower_bound(key);
        let line = self.line_at(at)?;
        (first_column(line) == key).then_some(line)
    }

    /// Every line whose name starts with `prefix`.
    pub(super) fn starting_with(&self, prefix: String) -> impl Iterator<Item = &str> {
        let from = self.lower_bound(&prefix);
        self.lines_from(from).map(|(_, line)| line).take_while(move |line| line.starts_with(&prefix))
    }

    /// Every line with its position.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines_from(self.start)
    }

    /// The line that begins at a position given by [`Table::lines`].
    pub(super) fn line_at(&self, at: usize) -> Option<&str> {
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        Some(rest.split_once('\n').map_or(rest, |(line, _)| line))
    }

    fn lines_from(&self, at: usize) -> impl Iterator<Item = (usize, &str)> {
        let mut at = at;
        std::iter::from_fn(move || {
            let line = self.line_at(at)?;
            let here = at;
            at += line.len() + 1;
            Some((here, line))
        })
    }

    /// Where the first line begins whose name is not below `key`.
    fn lower_bound(&self, key: &str) -> usize {
        let mut range = Range { start: self.start, end: self.text.len() };
        while range.start < range.end {
            let middle = range.start + (range.end - range.start) / 2;
            let line_start = self.text.as_bytes()[range.start..middle]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(range.start, |newline| range.start + newline + 1);
            let Some(line) = self.line_at(line_start) else {
                return range.end;
            };
            if first_column(line) < key {
                range.start = (line_start + line.len() + 1).min(range.end);
            } else {
                range.end = line_start;
            }
        }
        range.start
    }
}

pub(super) fn first_column(line: &str) -> &str {
    line.split_once('\t').map_or(line, |(key, _)| key)
}
