//! The table of patterns, and how it is applied.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Finding;
use super::check::{self, Check};
use super::joint::{joins, joins_after, joins_before};

const TABLE: &str = include_str!("rules.toml");
/// The kind of spans that later rules are to be kept from.
const NONE: &str = "none";
/// How far before a finding, and behind it, a word may stand that makes it one.
const NEAR: (usize, usize) = (56, 24);
/// How far before a finding a word may stand that speaks against it.
const UNLESS: usize = 22;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    words: HashMap<String, Vec<String>>,
    rule: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    pattern: String,
    #[serde(default)]
    has: Vec<String>,
    check: Option<String>,
    near: Option<String>,
    unless: Option<String>,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    loose: bool,
}

struct Rule {
    kind: &'static str,
    has: Vec<Finder<'static>>,
    needs_digit: bool,
    pattern: Regex,
    check: Option<Check>,
    near: Vec<String>,
    unless: Vec<String>,
    alone: bool,
    loose: bool,
}

/// The compiled table.
pub(super) struct Rules(Vec<Rule>);

static BUILTIN: LazyLock<Rules> = LazyLock::new(|| {
    Rules::read(TABLE).unwrap_or_else(|error| {
        // It comes with the program, whose tests read it; a build with fewer features of the library may still be unable to.
        tracing::error!(%error, "the recognisers cannot be read: no personal, financial or secret data will be found");
        Rules(Vec::new())
    })
});

/// Why a table of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RulesError {
    #[error("the table of rules cannot be read: {0}")]
    Table(#[from] toml::de::Error),
    #[error("a pattern of the rules cannot be read: {0}")]
    Pattern(#[from] regex::Error),
    #[error("the rules name a kind, check or list that does not exist: {0}")]
    Unknown(String),
}

impl Rules {
    /// The rules that come with the program.
    pub(super) fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads a table.
    pub(super) fn read(table: &str) -> Result<Self, RulesError> {
        let table: Table = toml::from_str(table)?;
        let list = |name: &Option<String>| match name {
            None => Ok(Vec::new()),
            Some(name) => table.words.get(name).cloned().ok_or_else(|| RulesError::Unknown(name.clone())),
        };
        let mut rules = Vec::new();
        for row in &table.rule {
            let check = match &row.check {
                None => None,
                Some(name) => Some(check::named(name).ok_or_else(|| RulesError::Unknown(name.clone()))?),
            };
            let kind = check::KINDS.iter().find(|kind| **kind == row.kind).ok_or_else(|| RulesError::Unknown(row.kind.clone()))?;
            rules.push(Rule {
                kind,
                has: row.has.iter().filter(|text| *text != "digit").map(|text| Finder::new(text).into_owned()).collect(),
                needs_digit: row.has.iter().any(|text| text == "digit"),
                pattern: RegexBuilder::new(&row.pattern).size_limit(1 << 22).build()?,
                check,
                near: list(&row.near)?,
                unless: list(&row.unless)?,
                alone: row.alone,
                loose: row.loose,
            });
        }
        Ok(Self(rules))
    }

    /// The kinds of the table.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|rule| rule.kind).filter(|kind| *kind != NONE)
    }

    /// Everything the table finds.
    pub(super) fn find(&self, text: &str) -> Vec<Finding> {
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        let mut found: Vec<Finding> = Vec::new();
        for rule in &self.0 {
            let may = (rule.needs_digit && has_digit) || rule.has.iter().any(|needle| needle.find(text.as_bytes()).is_some());
            if may {
                rule.apply(text, &mut found);
            }
        }
        found.retain(|finding| finding.kind != NONE);
        found
    }
}

impl Rule {
    fn apply(&self, text: &str, found: &mut Vec<Finding>) {
        let mut from = 0;
        while let Some(met) = self.pattern.find_at(text, from) {
            let taken = self.accept(text, met.range()).filter(|span| !found.iter().any(|other| overlap(&other.span, span)));
            match taken {
                Some(span) => {
                    from = span.end.max(met.start() + 1);
                    found.push(Finding { kind: self.kind, span });
                }
                // Another may begin behind the first sign of the one that was none; numbers are stepped over as wholes.
                None => from = step(text, met.range()),
            }
            while !text.is_char_boundary(from) {
                from += 1;
            }
            if from >= text.len() {
                break;
            }
        }
    }

    fn accept(&self, text: &str, met: Range<usize>) -> Option<Range<usize>> {
        if !self.loose && (joins_before(text, met.start) || joins_after(text, met.end)) && self.check.is_none_or(|check| !check.trims()) {
            return None;
        }
        let span = match self.check {
            Some(check) => check.run(text, met)?,
            None => met,
        };
        if self.alone && has_neighbour(text, &span) {
            return None;
        }
        if !self.unless.is_empty() && stands_near(text, span.start.saturating_sub(UNLESS)..span.start, &self.unless) {
            return None;
        }
        let around = || stands_near(text, span.start.saturating_sub(NEAR.0)..span.start, &self.near);
        let behind = || stands_near(text, span.end..(span.end + NEAR.1).min(text.len()), &self.near);
        (self.near.is_empty() || around() || behind()).then_some(span)
    }
}

/// Where to look on after something that looked right and was not.
fn step(text: &str, met: Range<usize>) -> usize {
    let bytes = text.as_bytes();
    let mut at = met.start;
    while at < met.end && bytes[at].is_ascii_alphanumeric() {
        at += 1;
    }
    at.max(met.start + 1)
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether more digits stand beside it, one sign away.
fn has_neighbour(text: &str, span: &Range<usize>) -> bool {
    let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let sign = |letter: Option<char>| matches!(letter, Some(' ' | '-' | '.' | '/'));
    let (mut before, mut after) = (text[..span.start].chars().rev(), text[span.end..].chars());
    sign(before.next()) && digit(before.next()) || sign(after.next()) && digit(after.next())
}

/// Whether one of the words stands in that part of the text, as a word.
fn stands_near(text: &str, window: Range<usize>, words: &[String]) -> bool {
    let mut window = window;
    while !text.is_char_boundary(window.start) {
        window.start += 1;
    }
    while !text.is_char_boundary(window.end) {
        window.end -= 1;
    }
    if window.start >= window.end {
        return false;
    }
    let lower = text[window].to_lowercase();
    words.iter().any(|word| {
        lower.match_indices(word.as_str()).any(|(at, _)| {
            // `employee_ssn` says what `ssn` does.
            let letter = |letter: Option<char>| letter.is_some_and(|letter| letter != '_' && joins(letter));
            let opens = word.starts_with(joins) && letter(lower[..at].chars().next_back());
            let closes = word.ends_with(joins) && letter(lower[at + word.len()..].chars().next());
            !opens && !closes
        })
    })
}
