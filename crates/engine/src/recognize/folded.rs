//! Signs that look like those of the patterns: spaces that do not break, other hyphens, digits of full width, escapes.
//!
//! People paste numbers out of documents, where `4111 1111` is held together by U+00A0 and `555‑12` by U+2011; programs write text within
//! JSON and addresses ([`escaped`]). A text with such signs is looked at as if they were the plain ones; what is found is told by its
//! place in the text as it was.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr3;

use super::escaped;

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
        if !is_written_otherwise(text) {
            return Self { text: Cow::Borrowed(text), ahead: Vec::new() };
        }
        let mut out = String::with_capacity(text.len());
        let mut ahead = Vec::new();
        let (mut at, mut number) = (0, false);
        while let Some(letter) = text[at..].chars().next() {
            let (meant, taken) = escaped::sign(&text[at..]).unwrap_or((letter, letter.len_utf8()));
            let next = at + taken;
            // A form writes spaces as pluses: `card=4111+1111`.
            let joined = letter == '+' && number && text[next..].starts_with(|digit: char| digit.is_ascii_digit());
            number = letter == '=' || number && (joined || letter.is_ascii_digit());
            let written = if joined { Some(' ') } else { plain(meant) };
            out.extend(written);
            at = next;
            if written != Some(letter) || taken != letter.len_utf8() {
                ahead.push(Ahead { from: out.len(), by: at - out.len(), unseen: written.is_none() });
            }
            if taken == 1 && letter == '\\' {
                // A run that escapes nothing is not looked into from each of its signs.
                let run = escaped::backslashes(&text[at..]);
                out.push_str(&text[at..at + run]);
                at += run;
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

/// Whether any sign of the text may stand for another.
fn is_written_otherwise(text: &str) -> bool {
    let form = || text.as_bytes().windows(3).any(|signs| signs[0].is_ascii_digit() && signs[1] == b'+' && signs[2].is_ascii_digit());
    memchr3(b'\\', b'%', b'&', text.as_bytes()).is_some()
        || form()
        || !text.is_ascii() && text.chars().any(|letter| plain(letter) != Some(letter))
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
        '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' => None,
        // Accents that stand for themselves, as in names of files: `u` and U+0308.
        '\u{300}'..='\u{36F}' => None,
        other => Some(digit(other).unwrap_or(other)),
    }
}

/// Where the digits of other scripts begin, in order; each has ten of them in a row.
const ZEROS: [u32; 25] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0,
    0x1810, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
];

/// The digit that a letter is in another script.
fn digit(letter: char) -> Option<char> {
    let code = u32::from(letter);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    char::from_digit((code - zero).min(10), 10)
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
    fn what_is_escaped_is_read_as_what_it_stands_for() {
        let plain = |text: &str| Folded::of(text).text.into_owned();
        assert_eq!(plain(r#"a\n4111\t5 \"x\" \/"#), "a\n4111\t5 \"x\" /");
        assert_eq!(plain(r"a\u0040b \\u0040 \\\\n\ud83d\ude00|\\ud83d\\ude00"), "a@b @ \n😀|😀");
        assert_eq!(plain(r"C:\Users \d{3} \ \\ \u12 \ud83d \ud83d\u0041"), r"C:\Users \d{3} \ \\ \u12 \ud83d \ud83dA");
        assert_eq!(plain("a%40b 100% %zz %C3%A9 %2B49 a&#64;b&#x40;c&amp;d &no; &#; &"), "a@b 100% %zz %C3%A9 +49 a@b@c&d &no; &#; &");
        assert_eq!(plain("card=4111+1111&n=2+x 1+1=2"), "card=4111 1111&n=2+x 1+1=2");
        let text = r"é\u00e9 x\n12\u0033 end";
        let folded = Folded::of(text);
        assert_eq!(folded.text, "éé x\n123 end");
        let at = folded.text.find("123").expect("it is there");
        assert_eq!(&text[folded.original(at..at + 3)], r"12\u0033");
        let at = folded.text.find("end").expect("it is there");
        assert_eq!(&text[folded.original(at..at + 3)], "end");
    }

    #[test]
    fn digits_of_other_scripts_are_digits() {
        let plain = |text: &str| Folded::of(text).text.into_owned();
        assert_eq!(plain("٤١١١ ۴۱۱۱ ४१११ ๔๑๑๑ 𝟒𝟏𝟏𝟏 𝟺𝟷𝟷𝟷"), "4111 4111 4111 4111 4111 4111");
        assert_eq!(plain("ى ٪ अ"), "ى ٪ अ");
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
