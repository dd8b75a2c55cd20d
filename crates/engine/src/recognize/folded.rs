//! Signs that look like those of the patterns: spaces that do not break, other hyphens, digits of full width.
//!
//! People paste numbers out of documents, where `4111 1111` is held together by U+00A0 and `555‑12` by U+2011. A text with such signs
//! is looked at as if they were the plain ones; what is found is told by its place in the text as it was.

use std::borrow::Cow;
use std::ops::Range;

/// A text in plain signs, and where they stood.
pub(super) struct Folded<'a> {
    pub(super) text: Cow<'a, str>,
    /// From which byte of the plain text on the original is so many bytes ahead, and whether that is of a sign without a plain one.
    ahead: Vec<Ahead>,
}

struct Ahead {
    from: usize,
    by: usize,
    unseen: bool,
}

impl<'a> Folded<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        if text.is_ascii() || !text.chars().any(|letter| plain(letter) != Some(letter)) {
            return Self { text: Cow::Borrowed(text), ahead: Vec::new() };
        }
        let mut out = String::with_capacity(text.len());
        let mut ahead = Vec::new();
        for (at, letter) in text.char_indices() {
            let written = plain(letter);
            out.extend(written);
            if written != Some(letter) {
                ahead.push(Ahead { from: out.len(), by: at + letter.len_utf8() - out.len(), unseen: written.is_none() });
            }
        }
        Self { text: Cow::Owned(out), ahead }
    }

    /// Where a span of the plain text stands in the original.
    pub(super) fn original(&self, span: Range<usize>) -> Range<usize> {
        let ahead = |entries: usize| entries.checked_sub(1).map_or(0, |last| self.ahead[last].by);
        let start = span.start + ahead(self.ahead.partition_point(|one| one.from <= span.start));
        // What was left out behind the last sign is no part of it, what the last sign itself took is.
        let end = span.end + ahead(self.ahead.partition_point(|one| one.from < span.end || one.from == span.end && !one.unseen));
        start..end.max(start)
    }
}

/// The plain sign; `None`: a sign that nobody sees.
fn plain(letter: char) -> Option<char> {
    match letter {
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{FF0D}' => Some('-'),
        '\u{FF08}' => Some('('),
        '\u{FF09}' => Some(')'),
        '\u{FF0B}' => Some('+'),
        '\u{FF0E}' => Some('.'),
        '\u{FF10}'..='\u{FF19}' => char::from_digit(u32::from(letter) - 0xFF10, 10),
        '\u{FF20}' => Some('@'),
        '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_folded_is_found_where_it_stood() {
        let text = "é：a\u{A0}b\u{2011}c\u{200B}d ４５ é";
        let folded = Folded::of(text);
        assert_eq!(folded.text, "é：a b-cd 45 é");
        for (part, original) in [("a b", "a\u{A0}b"), ("b-c", "b\u{2011}c"), ("45", "４５"), ("é", "é"), ("5 é", "５ é")] {
            let at = folded.text.rfind(part).expect("it is there");
            assert_eq!(&text[folded.original(at..at + part.len())], original, "{part}");
        }
        let at = folded.text.find("cd").expect("it is there");
        assert_eq!(&text[folded.original(at..at + 2)], "c\u{200B}d");
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "plain", "größer – nein: größer", "日本語のテキスト"] {
            let folded = Folded::of(text);
            assert_eq!(folded.original(0..text.len().min(1)), 0..text.len().min(1));
            assert_eq!(folded.text.is_empty(), text.is_empty());
        }
    }
}
