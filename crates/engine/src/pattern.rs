//! Patterns for names.

use crate::sign::unpercent;

/// What stands before what a pattern does not take.
const BUT: char = '\u{1f}';

/// The pattern of an entry among others: without what those take of it that come before it, by the very name or a longer pattern.
pub fn among<'a>(pattern: &str, others: impl Iterator<Item = &'a str>) -> String {
    let comes_before = |other: &&str| if other.contains('*') { said(other) > said(pattern) } else { matches(pattern, other) };
    let mut all = pattern.to_owned();
    if pattern.contains('*') {
        others.filter(comes_before).for_each(|other| all.extend([&*BUT.to_string(), other]));
    }
    all
}

/// How much of a name a pattern says; of two that fit, the one that says more comes before.
pub(crate) fn said(pattern: &str) -> usize {
    pattern.len() - pattern.matches('*').count()
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut patterns = pattern.split(BUT);
    patterns.next().is_some_and(|pattern| fits(pattern, name)) && !patterns.any(|other| fits(other, name))
}

fn fits(pattern: &str, name: &str) -> bool {
    walk(pattern, name, |_| {})
}

/// Whether a name fits. What each `*` stands for in it is told from the last one to the first, which takes as much as it can.
fn walk<'a>(pattern: &str, name: &'a str, mut star: impl FnMut(&'a str)) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
    let Some(mut left) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else { return false };
    for piece in middle.into_iter().flat_map(|middle| middle.rsplit('*')) {
        let Some(at) = left.rfind(piece) else { return false };
        star(&left[at + piece.len()..]);
        left = &left[..at];
    }
    star(left);
    true
}

/// Whether a text leads elsewhere where it stands in a path: a part of it is `.` or `..`, as it is or percent-encoded once or twice.
pub fn steps_aside(text: &str) -> bool {
    let aside = |text: &[u8]| {
        let parts = text.split(|byte| b"/\\".contains(byte));
        parts.filter_map(|part| part.split(|byte| *byte == b';').next()).any(|part| part == b"." || part == b"..")
    };
    if !text.contains('%') {
        return aside(text.as_bytes());
    }
    let once = unpercent(text);
    let twice = unpercent(&String::from_utf8_lossy(&once));
    [text.as_bytes(), &once, &twice].into_iter().any(aside)
}

/// A name in which each `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    written: String,
}

impl Wildcard {
    /// The one that is written so.
    pub fn of(written: &str) -> Self {
        Self { written: written.to_owned() }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// How many it has.
    pub fn stars(&self) -> usize {
        self.written.matches('*').count()
    }

    /// How much of a name it says.
    pub(crate) fn said(&self) -> usize {
        said(&self.written)
    }

    /// What each `*` stands for in that name; the first takes as much as it can, then the next. What would step aside in a provider's
    /// path is nothing's name.
    pub fn captured<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        if steps_aside(name) {
            return None;
        }
        let mut texts = Vec::new();
        walk(&self.written, name, |text| texts.push(text)).then(|| texts.into_iter().rev().collect())
    }

    /// The name with those texts in the place of its stars, in their order.
    pub fn filled(&self, texts: &[&str]) -> String {
        let mut pieces = self.written.split('*');
        let mut name = pieces.next().unwrap_or_default().to_owned();
        let mut texts = texts.iter();
        for piece in pieces {
            name.extend([texts.next().copied().unwrap_or("*"), piece]);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_among_others_takes_what_is_left() {
        let others = ["openai/*", "openai/o1-*", "openai/gpt-5", "azure/gpt-5", "*"];
        let left = among("openai/*", others.into_iter());
        let taken = ["openai/gpt-4o", "openai/o1-mini", "openai/gpt-5", "azure/gpt-5"].map(|name| matches(&left, name));
        assert_eq!(taken, [true, false, false, false]);
        let all = among("*", others.into_iter());
        assert_eq!(["x", "openai/x", "azure/gpt-5"].map(|name| matches(&all, name)), [true, false, false]);
        assert_eq!(among("gpt-4o", others.into_iter()), "gpt-4o");
    }

    #[test]
    fn no_name_leads_elsewhere_in_a_path() {
        for aside in ["..", ".", "a/../b", "../a", "a/..", "a\\..\\b", "..;x/a", "%2e%2e/a", "..%2Fa", "%252e%252e%252fa", "a%5c..%5cb"] {
            assert!(steps_aside(aside), "{aside}");
            assert_eq!(Wildcard::of("far/*").captured(&format!("far/{aside}")), None, "{aside}");
        }
        for name in ["", "a", "a..b", "...", "gpt-4o.1", "meta/llama-3.1", "arn:aws:bedrock:x/y", "a%20b", "100%", "a;b"] {
            assert!(!steps_aside(name), "{name}");
        }
    }

    #[test]
    fn a_pattern_stands_for_the_names_it_fits() {
        for (pattern, name, fits) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "azure/gpt-4o", false),
            ("*", "anything", true),
            ("*-mini", "gpt-4o-mini", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("*", "", true),
            ("a*c", "ac", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn every_star_stands_for_a_text() {
        for (written, name, texts) in [
            ("openai/*", "openai/gpt-4o", Some(vec!["gpt-4o"])),
            ("openai/*", "azure/gpt-4o", None),
            ("*", "", Some(vec![""])),
            ("ab*ba", "aba", None),
            ("fo::*:static::*", "fo::hi::static::hi", Some(vec!["hi:", "hi"])),
            ("a-*-b-*", "a-1-b-2-b-3", Some(vec!["1-b-2", "3"])),
            ("a-*-b-*", "a-1-c-2", None),
            ("bedrock/*.claude-*", "bedrock/eu.anthropic.claude-x", Some(vec!["eu.anthropic", "x"])),
            ("*a*a*", "aa", Some(vec!["", "", ""])),
            ("*a*a*", "a", None),
            ("**", "äö", Some(vec!["äö", ""])),
            ("plain", "plain", Some(vec![])),
        ] {
            let wildcard = Wildcard::of(written);
            assert_eq!(wildcard.captured(name), texts, "{written} {name}");
            if let Some(texts) = texts {
                assert_eq!(wildcard.filled(&texts), name, "{written}");
            }
        }
        assert_eq!(Wildcard::of("x-*-*").filled(&["1"]), "x-1-*");
    }
}
