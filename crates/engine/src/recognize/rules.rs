//! The table of patterns, and how it is applied.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Finding;
use super::check::{self, Check};
use super::joint::{joins_after, joins_before};
use super::nearby::{Places, Words};

const TABLE: &str = include_str!("rules.toml");
/// The kind of spans that later rules are to be kept from.
const NONE: &str = "none";
/// How far before a finding, and behind it, a word may stand that makes it one.
const NEAR: (usize, usize) = (56, 24);
/// How far before a finding a word may begin that stands right before it, and what may stand between.
const RIGHT: usize = 28;
const BETWEEN: [&str; 22] = [
    "me",
    "us",
    "at",
    "on",
    "is",
    "no",
    "nr",
    "number",
    "the",
    "her",
    "him",
    "them",
    "my",
    "am",
    "unter",
    "au",
    "al",
    "ao",
    "на",
    "a",
    "it",
    "номер",
];
/// How far before a finding a word may stand that speaks against it.
const UNLESS: usize = 22;
/// What a pattern met is long from so many bytes on, and is looked into from its later signs only so often: where every sign of a long
/// text may begin something, time would grow with its square.
const LONG: usize = 64;
const AGAIN: usize = 8;

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
    right: Option<String>,
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
    /// The lists of words, by their places.
    near: Option<usize>,
    right: Option<usize>,
    unless: Option<usize>,
    alone: bool,
    loose: bool,
}

/// The compiled table.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    words: Words,
}

static BUILTIN: LazyLock<Rules> = LazyLock::new(|| {
    Rules::read(TABLE).unwrap_or_else(|error| {
        // It comes with the program, whose tests read it; a build with fewer features of the library may still be unable to.
        tracing::error!(%error, "the recognisers cannot be read: no personal, financial or secret data will be found");
        Rules::default()
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
        let (names, lists): (Vec<&str>, Vec<&[String]>) = table.words.iter().map(|(name, words)| (name.as_str(), words.as_slice())).unzip();
        let list = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => names.iter().position(|known| known == name).map(Some).ok_or_else(|| RulesError::Unknown(name.clone())),
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
                right: list(&row.right)?,
                unless: list(&row.unless)?,
                alone: row.alone,
                loose: row.loose,
            });
        }
        Ok(Self { rules, words: Words::of(&lists) })
    }

    /// The kinds of the table.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().map(|rule| rule.kind).filter(|kind| *kind != NONE)
    }

    /// Everything the table finds.
    pub(super) fn find(&self, text: &str) -> Vec<Finding> {
        self.look(text).findings()
    }

    /// Everything the table finds, and how much was looked at for it.
    pub(super) fn look<'a>(&'a self, text: &'a str) -> Look<'a> {
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        let mut look = Look { text, words: &self.words, places: OnceCell::new(), found: BTreeMap::new(), bytes: 0 };
        for rule in &self.rules {
            let may = (rule.needs_digit && has_digit) || rule.has.iter().any(|needle| needle.find(text.as_bytes()).is_some());
            if may {
                rule.apply(&mut look);
            }
        }
        look
    }
}

/// A text that is looked at, and what was found in it.
pub(super) struct Look<'a> {
    text: &'a str,
    words: &'a Words,
    /// Where the words stand; most texts never ask.
    places: OnceCell<Places>,
    /// By where it begins: its kind, and where it ends. None overlaps another.
    found: BTreeMap<usize, (usize, &'static str)>,
    /// How many bytes patterns were held against, those looked at again counted again.
    pub(super) bytes: usize,
}

impl Look<'_> {
    fn findings(self) -> Vec<Finding> {
        let findings = self.found.into_iter().filter(|(_, (_, kind))| *kind != NONE);
        findings.map(|(start, (end, kind))| Finding { kind, span: start..end }).collect()
    }

    fn is_taken(&self, span: &Range<usize>) -> bool {
        self.found.range(..span.end).next_back().is_some_and(|(_, (end, _))| *end > span.start)
    }

    fn stands_within(&self, list: usize, window: Range<usize>) -> bool {
        self.places.get_or_init(|| self.words.places(self.text)).within(list, window)
    }
}

impl Look<'_> {
    /// Whether a word of that list stands before that place with nothing but small words between.
    fn stands_right_before(&self, list: usize, at: usize) -> bool {
        let places = self.places.get_or_init(|| self.words.places(self.text));
        places.ends_within(list, at.saturating_sub(RIGHT)..at).any(|end| {
            let between = self.text[end..at].split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
            between.clone().count() <= 2 && between.into_iter().all(|word| BETWEEN.iter().any(|small| word.eq_ignore_ascii_case(small)))
        })
    }
}

impl Rule {
    fn apply(&self, look: &mut Look<'_>) {
        let text = look.text;
        let (mut from, mut again) = (0, 0);
        while let Some(met) = self.pattern.find_at(text, from) {
            look.bytes += met.end() - from;
            let is_long = met.len() > LONG;
            match self.accept(look, met.range()) {
                Ok(span) if !look.is_taken(&span) => {
                    from = span.end.max(met.start() + 1);
                    look.found.insert(span.start, (span.end, self.kind));
                }
                // It is none as a whole, or was often enough none from another of its signs on.
                Err(Refused::Whole) => from = met.end(),
                Ok(_) | Err(_) if is_long && again >= AGAIN => (from, again) = (met.end(), 0),
                // Another may begin behind the first sign of the one that was none; numbers are stepped over as wholes.
                Ok(_) | Err(_) => (from, again) = (step(text, met.range()), again + usize::from(is_long)),
            }
            while !text.is_char_boundary(from) {
                from += 1;
            }
            if from >= text.len() {
                break;
            }
        }
    }

    fn accept(&self, look: &Look<'_>, met: Range<usize>) -> Result<Range<usize>, Refused> {
        let text = look.text;
        if !self.loose && (joins_before(text, met.start) || joins_after(text, met.end)) && self.check.is_none_or(|check| !check.trims()) {
            return Err(Refused::Here);
        }
        let span = match self.check {
            Some(check) => check.run(text, met).ok_or(if check.judges_all() { Refused::Whole } else { Refused::Here })?,
            None => met,
        };
        if self.alone && has_neighbour(text, &span) {
            return Err(Refused::Here);
        }
        if self.unless.is_some_and(|unless| look.stands_within(unless, span.start.saturating_sub(UNLESS)..span.start)) {
            return Err(Refused::Here);
        }
        let is_near = self.near.is_some_and(|near| {
            look.stands_within(near, span.start.saturating_sub(NEAR.0)..span.start)
                || look.stands_within(near, span.end..(span.end + NEAR.1).min(text.len()))
        });
        let is_near = is_near || self.right.is_some_and(|right| look.stands_right_before(right, span.start));
        let is_near = is_near || self.near.is_none() && self.right.is_none();
        if is_near { Ok(span) } else { Err(Refused::Here) }
    }
}

/// Why what a pattern met is none.
enum Refused {
    /// Nothing within it can be one either.
    Whole,
    /// Another may begin within it.
    Here,
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

/// Whether more digits stand beside it, one sign away.
fn has_neighbour(text: &str, span: &Range<usize>) -> bool {
    let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let sign = |letter: Option<char>| matches!(letter, Some(' ' | '-' | '.' | '/'));
    let (mut before, mut after) = (text[..span.start].chars().rev(), text[span.end..].chars());
    sign(before.next()) && digit(before.next()) || sign(after.next()) && digit(after.next())
}
