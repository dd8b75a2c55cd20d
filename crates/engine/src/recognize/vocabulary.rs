//! Medicine and money: not a pattern but what is spoken of, and whether it is about someone.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Input, MatchKind};

use super::Finding;

const TABLE: &str = include_str!("vocabulary.txt");

/// What the vocabulary tells.
pub(super) const KINDS: [&str; 2] = ["medical", "financial"];
const FINANCIAL: usize = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Person,
    /// By the kind's place.
    Strong(usize),
    Plain(usize),
    /// One that is somebody's.
    Own(usize),
    /// One that an amount makes somebody's.
    Sum(usize),
}

impl Word {
    /// Of that head of a section: `person`, `medical strong`.
    fn named(head: &str) -> Option<Self> {
        let Some((kind, strength)) = head.split_once(' ') else { return (head == "person").then_some(Self::Person) };
        let kind = KINDS.iter().position(|known| *known == kind)?;
        match strength {
            "strong" => Some(Self::Strong(kind)),
            "plain" => Some(Self::Plain(kind)),
            "own" => Some(Self::Own(kind)),
            "sum" => Some(Self::Sum(kind)),
            _ => None,
        }
    }
}

/// What a phrase of the table is.
#[derive(Clone, Copy)]
struct Entry {
    word: Word,
    /// What it is as well: a `sum` is often a plain word too.
    also: Option<Word>,
    /// Whether a word must end where it does.
    ends: bool,
    /// The languages it is of, a bit each.
    languages: u32,
    /// The same for every spelling of it.
    phrase: usize,
}

struct Vocabulary {
    automaton: Option<AhoCorasick>,
    entries: Vec<Entry>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read(TABLE));

pub(super) fn prepare() {
    LazyLock::force(&VOCABULARY);
}

impl Vocabulary {
    fn read(table: &str) -> Self {
        let (mut phrases, mut entries): (Vec<String>, Vec<Entry>) = Default::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut languages: Vec<&str> = Vec::new();
        let mut word = None;
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                word = Word::named(head);
                continue;
            }
            let (Some((language, list)), Some(word)) = (line.split_once(": "), word) else { continue };
            let place = languages.iter().position(|known| *known == language).unwrap_or_else(|| {
                languages.push(language);
                languages.len() - 1
            });
            for written in list.split('|').map(str::trim) {
                let phrase = written.strip_suffix('*').unwrap_or(written);
                let mut letters = phrase.chars();
                let capital: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
                let capital = Some(capital + letters.as_str()).filter(|capital| !capital.eq_ignore_ascii_case(phrase));
                let (first, ends) = (entries.len(), phrase.len() == written.len());
                for spelling in std::iter::once(phrase.to_owned()).chain(capital) {
                    if let Some(entry) = known.get(&spelling).and_then(|at| entries.get_mut(*at)) {
                        entry.languages |= 1 << place;
                        entry.also = entry.also.or(Some(word).filter(|word| *word != entry.word));
                        continue;
                    }
                    known.insert(spelling.clone(), phrases.len());
                    phrases.push(spelling);
                    entries.push(Entry { word, also: None, ends, languages: 1 << place, phrase: first });
                }
            }
        }
        // Of words that begin alike the longest is met: it is one of those that go on, too.
        for (at, phrase) in phrases.iter().enumerate() {
            let shorter = phrase.char_indices().skip(1).filter_map(|(end, _)| known.get(&phrase[..end]));
            let more = shorter.filter_map(|begun| entries.get(*begun)).filter(|begun| !begun.ends && begun.word == entries[at].word);
            entries[at].languages |= more.map(|begun| begun.languages).fold(0, |all, some| all | some);
        }
        let automaton = AhoCorasickBuilder::new()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&phrases)
            .ok();
        Self { automaton, entries }
    }
}

/// How many different plain words, without a person, make a text medical or financial.
const ALONE: usize = 4;
/// How many are enough beside one.
const BESIDE: usize = 2;
/// How many bytes words may stand apart that speak of one thing.
const APART: usize = 320;
/// How far from its amount a sum may stand.
const AMOUNT: usize = 48;
/// The most words that are remembered at a time.
const RECENT: usize = 48;

/// A word that was met.
struct Sighting {
    at: Range<usize>,
    entry: Entry,
}

impl Sighting {
    fn is(&self, word: impl Fn(Word) -> bool) -> bool {
        word(self.entry.word) || self.entry.also.is_some_and(word)
    }

    fn is_person(&self) -> bool {
        self.is(|word| matches!(word, Word::Person | Word::Own(_)))
    }

    fn speaks_of(&self, kind: usize) -> bool {
        self.is(|word| matches!(word, Word::Plain(own) | Word::Own(own) | Word::Sum(own) | Word::Strong(own) if own == kind))
    }
}

/// Medical and financial text, as one span from the first to the last word that speaks of it.
pub(super) fn find(text: &str) -> Vec<Finding> {
    let vocabulary = &*VOCABULARY;
    let Some(automaton) = &vocabulary.automaton else { return Vec::new() };
    let mut recent: VecDeque<Sighting> = VecDeque::with_capacity(RECENT);
    let mut spans: [Option<Range<usize>>; KINDS.len()] = Default::default();
    let mut from = 0;
    while let Some(met) = automaton.find(Input::new(text).range(from..)) {
        let Some(entry) = vocabulary.entries.get(met.pattern().as_usize()).copied() else { break };
        if !stands(text, met.range(), entry.ends) {
            from = met.start() + text[met.start()..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        from = met.end();
        while recent.len() >= RECENT || recent.front().is_some_and(|first| first.at.start + APART < met.start()) {
            recent.pop_front();
        }
        recent.push_back(Sighting { at: met.range(), entry });
        for (kind, span) in spans.iter_mut().enumerate() {
            if let Some(span) = span {
                span.end = span.end.max(recent.back().filter(|last| last.speaks_of(kind)).map_or(0, |last| last.at.end));
            } else if is_told(text, &recent, kind) {
                let first = recent.iter().find(|one| one.speaks_of(kind)).map_or(met.start(), |first| first.at.start);
                *span = Some(first..met.end());
            }
        }
    }
    let found = KINDS.iter().zip(spans);
    found.filter_map(|(name, span)| span.map(|span| Finding { kind: name, span })).collect()
}

/// Whether the words that were met last, and stand near one another, tell of somebody's health or money.
fn is_told(text: &str, recent: &VecDeque<Sighting>, kind: usize) -> bool {
    let Some(last) = recent.back() else { return false };
    if last.is(|word| word == Word::Strong(kind)) {
        return true;
    }
    // By what was met last alone: a word of the kind, or its person.
    if !last.speaks_of(kind) && !last.is_person() {
        return false;
    }
    let spoken = |language: u32| recent.iter().filter(move |one| one.entry.languages & language != 0);
    (0..u32::BITS).map(|place| 1 << place).filter(|language| last.entry.languages & language != 0).any(|language| {
        let mut plain: Vec<usize> = spoken(language).filter(|one| one.speaks_of(kind)).map(|one| one.entry.phrase).collect();
        plain.sort_unstable();
        plain.dedup();
        let person = spoken(language).any(Sighting::is_person);
        let sums = spoken(language).filter(|one| one.is(|word| matches!(word, Word::Sum(own) | Word::Own(own) if own == kind)));
        plain.len() >= ALONE
            || person && plain.len() >= BESIDE
            || kind == FINANCIAL && sums.into_iter().any(|sum| has_amount(text, &sum.at, person))
    })
}

/// Whether an amount stands near: behind a colon, or of a person, on either side.
fn has_amount(text: &str, sum: &Range<usize>, person: bool) -> bool {
    let floor = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let behind = &text[sum.end..floor((sum.end + AMOUNT).min(text.len()))];
    let before = &text[floor(sum.start.saturating_sub(AMOUNT / 2))..sum.start];
    let listed = behind.split_once([':', '：']).is_some_and(|(_, listed)| is_amount(listed));
    listed || person && (is_amount(behind) || is_amount(before))
}

/// Whether it holds a number of three digits or more that is no year, or one of thousands in words.
fn is_amount(text: &str) -> bool {
    let large = |number: &str| {
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let year = digits == 4 && number.len() == 4 && (number.starts_with("19") || number.starts_with("20"));
        digits >= 3 && !year
    };
    let magnitude = |letter: char| matches!(letter, '万' | '萬' | '亿' | '億' | '만' | '억' | '千' | '천');
    text.contains(magnitude)
        || text
            .split(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | ',' | ' ' | '\''))
            .any(|part| part.split("  ").map(|number| number.trim_matches([' ', '.', ',', '\''])).any(large))
        || [" million", " mio", " millones", " миллион", " लाख"].iter().any(|word| text.contains(word))
}

/// Whether the phrase stands there as words, where its script sets words apart.
fn stands(text: &str, met: Range<usize>, ends: bool) -> bool {
    let spaced = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && (letter as u32) < 0x0590);
    let begins = spaced(text[met.clone()].chars().next());
    let closes = ends && spaced(text[met.clone()].chars().next_back());
    !(begins && spaced(text[..met.start].chars().next_back()) || closes && spaced(text[met.end..].chars().next()))
}
