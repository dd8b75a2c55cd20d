//! The words that make a finding of what stands beside them, found in one pass and looked up by place.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::joint::joins;

/// Lists of words.
#[derive(Default)]
pub(super) struct Words {
    automaton: Option<AhoCorasick>,
    /// Of each word: in which lists it stands, and whether a letter may not go before it, nor behind.
    known: Vec<(Vec<usize>, bool, bool)>,
    lists: usize,
}

/// Where the words of each list stand in a text, by where they begin.
pub(super) struct Places(Vec<Vec<(usize, usize)>>);

impl Words {
    /// Of those lists.
    pub(super) fn of(lists: &[&[String]]) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut words: Vec<&str> = Vec::new();
        let mut known: Vec<(Vec<usize>, bool, bool)> = Vec::new();
        for (list, written) in lists.iter().enumerate() {
            for word in *written {
                let at = *places.entry(word).or_insert_with(|| {
                    words.push(word);
                    known.push((Vec::new(), word.starts_with(joins), word.ends_with(joins)));
                    words.len() - 1
                });
                known[at].0.push(list);
            }
        }
        let automaton = AhoCorasickBuilder::new().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&words).ok();
        Self { automaton, known, lists: lists.len() }
    }

    /// Where they stand, whatever their case.
    pub(super) fn places(&self, text: &str) -> Places {
        let mut places = vec![Vec::new(); self.lists];
        let lower = lowered(text);
        let letter = |letter: Option<char>| letter.is_some_and(|letter| letter != '_' && joins(letter));
        for met in self.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(&lower)) {
            let Some((lists, begins, ends)) = self.known.get(met.pattern().as_usize()) else { continue };
            // `employee_ssn` says what `ssn` does.
            let opens = *begins && letter(lower[..met.start()].chars().next_back());
            let closes = *ends && letter(lower[met.end()..].chars().next());
            if !opens && !closes {
                lists.iter().for_each(|list| places[*list].push((met.start(), met.end())));
            }
        }
        places.iter_mut().for_each(|list: &mut Vec<(usize, usize)>| list.sort_unstable());
        Places(places)
    }
}

impl Places {
    /// Whether a word of that list stands within that part of the text.
    pub(super) fn within(&self, list: usize, window: Range<usize>) -> bool {
        self.ends_within(list, window).next().is_some()
    }

    /// Where the words of that list end that stand within that part of the text.
    pub(super) fn ends_within(&self, list: usize, window: Range<usize>) -> impl Iterator<Item = usize> {
        let places = self.0.get(list).map(Vec::as_slice).unwrap_or_default();
        let from = places.partition_point(|(start, _)| *start < window.start);
        let begun = places[from..].iter().take_while(move |(start, _)| *start < window.end);
        begun.map(|(_, end)| *end).filter(move |end| *end <= window.end)
    }
}

/// In lower case, each sign at its place: one whose small form takes other bytes stays as it is.
fn lowered(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let small = |letter: char| {
        let mut small = letter.to_lowercase();
        small.next().filter(|first| small.next().is_none() && first.len_utf8() == letter.len_utf8()).unwrap_or(letter)
    };
    text.chars().map(small).collect()
}
