//! Medicine and money: not a pattern but what is spoken of, and whether it is about someone.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, Input, MatchKind};

use super::Finding;

const TABLE: &str = include_str!("vocabulary.txt");

/// What the vocabulary tells.
pub(super) const KINDS: [&str; 2] = ["medical", "financial"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Person,
    /// By the kind's place.
    Strong(usize),
    Plain(usize),
}

struct Vocabulary {
    automaton: Option<AhoCorasick>,
    /// What each phrase is, and whether a word must end where it does.
    words: Vec<(Word, bool)>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::read(TABLE));

pub(super) fn prepare() {
    LazyLock::force(&VOCABULARY);
}

impl Vocabulary {
    fn read(table: &str) -> Self {
        let (mut phrases, mut words) = (Vec::new(), Vec::new());
        let mut word = Word::Person;
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                let place = |kind: &str| KINDS.iter().position(|known| *known == kind);
                word = match head.split_once(' ') {
                    Some((kind, "strong")) => place(kind).map_or(Word::Person, Word::Strong),
                    Some((kind, _)) => place(kind).map_or(Word::Person, Word::Plain),
                    None => Word::Person,
                };
                continue;
            }
            let Some((_, list)) = line.split_once(": ") else { continue };
            for written in list.split('|').map(str::trim) {
                let phrase = written.strip_suffix('*').unwrap_or(written);
                let mut letters = phrase.chars();
                let capital: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
                for spelling in [phrase.to_owned(), capital + letters.as_str()] {
                    phrases.push(spelling);
                    words.push((word, phrase.len() == written.len()));
                }
            }
        }
        let automaton = AhoCorasickBuilder::new()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&phrases)
            .ok();
        Self { automaton, words }
    }
}

/// How many different plain words, without a person, make a text medical or financial.
const ALONE: usize = 4;
/// How many are enough beside one.
const BESIDE: usize = 2;

/// Medical and financial text, as one span from the first to the last word that speaks of it.
pub(super) fn find(text: &str) -> Vec<Finding> {
    let vocabulary = &*VOCABULARY;
    let Some(automaton) = &vocabulary.automaton else { return Vec::new() };
    let mut person = false;
    let mut plain: [Vec<u32>; KINDS.len()] = Default::default();
    let mut strong = [false; KINDS.len()];
    let mut spans: [Option<Range<usize>>; KINDS.len()] = Default::default();
    let mut from = 0;
    while let Some(met) = automaton.find(Input::new(text).range(from..)) {
        let Some((word, ends)) = vocabulary.words.get(met.pattern().as_usize()).copied() else { break };
        if !stands(text, met.range(), ends) {
            from = met.start() + text[met.start()..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        from = met.end();
        let kind = match word {
            Word::Person => {
                person = true;
                continue;
            }
            Word::Strong(kind) => {
                strong[kind] = true;
                kind
            }
            Word::Plain(kind) => {
                let pattern = met.pattern().as_u32() / 2;
                if !plain[kind].contains(&pattern) {
                    plain[kind].push(pattern);
                }
                kind
            }
        };
        let span = spans[kind].get_or_insert(met.range());
        span.end = met.end();
    }
    let enough = |kind: usize| strong[kind] || plain[kind].len() >= ALONE || (person && plain[kind].len() >= BESIDE);
    let found = KINDS.iter().enumerate().filter(|(kind, _)| enough(*kind));
    found.filter_map(|(kind, name)| spans[kind].clone().map(|span| Finding { kind: name, span })).collect()
}

/// Whether the phrase stands there as words, where its script sets words apart.
fn stands(text: &str, met: Range<usize>, ends: bool) -> bool {
    let spaced = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() && (letter as u32) < 0x0590);
    let begins = spaced(text[met.clone()].chars().next());
    let closes = ends && spaced(text[met.clone()].chars().next_back());
    !(begins && spaced(text[..met.start].chars().next_back()) || closes && spaced(text[met.end..].chars().next()))
}
