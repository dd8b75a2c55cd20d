//! The signs of a text: which of them are mathematics, and how they are written plainly.

use std::borrow::Cow;

use memchr::{memchr2, memmem};

/// A text as the phrases of the tables are written: with plain spaces, without accents that stand for themselves, and in small letters
/// where it has no others.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    const HEADLINE: usize = 200;
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let spaced = memmem::find(bytes, "\u{A0}".as_bytes()).is_some() || memmem::find(bytes, "\u{202F}".as_bytes()).is_some();
    let accented = memchr2(0xCC, 0xCD, bytes).is_some();
    let head = || text.chars().take(HEADLINE);
    let loud = !head().any(char::is_lowercase) && head().any(|letter| !letter.is_ascii() && letter.is_uppercase());
    if !spaced && !accented && !loud {
        return Cow::Borrowed(text);
    }
    let seen = text.chars().filter(|letter| !('\u{300}'..='\u{36F}').contains(letter));
    let seen: String = seen.map(|letter| if matches!(letter, '\u{A0}' | '\u{202F}') { ' ' } else { letter }).collect();
    Cow::Owned(if loud { seen.to_lowercase() } else { seen })
}

/// Whether a sign stands between what it may join, as in mathematics: neither emphasis, an arrow, a tag, nor part of an address.
pub(super) fn is_operator(text: &str, at: usize, letter: char) -> bool {
    let (before, after) = (&text[..at], &text[at + letter.len_utf8()..]);
    let spaced = |sign: Option<char>| sign == Some(' ');
    let even = spaced(before.chars().next_back()) == spaced(after.chars().next());
    let left = before.trim_end_matches(' ').chars().next_back();
    let right = after.trim_start_matches(' ').chars().next();
    let operand = |sign: char| sign.is_alphanumeric() || matches!(sign, ')' | ']' | '}' | '²' | '³' | '\'' | '|' | '!');
    let opens = |sign: char| {
        sign.is_alphanumeric()
            || matches!(sign, '(' | '[' | '{' | '-' | '√' | '|' | '∞' | '\\')
            || matches!(letter, '<' | '>') && sign == '='
    };
    if letter == '|' {
        // The bars of a magnitude or of a condition; those of tables and of pipes stand apart.
        let near = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || matches!(sign, '(' | ')'));
        return near(before.chars().next_back()) || near(after.chars().next());
    }
    let joins = even && left.is_some_and(operand) && right.is_some_and(opens);
    joins && !(letter == '→' && spaced(after.chars().next())) && !is_markup(before, after, letter)
}

/// Whether `<` or `>` belongs to a tag, or the word around the sign is an address.
fn is_markup(before: &str, after: &str, letter: char) -> bool {
    const WORD: usize = 48;
    let head = &before[ceiling(before, before.len().saturating_sub(WORD))..];
    let tail = &after[..after.floor_char_boundary(WORD)];
    let tag = |inside: &str| inside.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '/');
    match letter {
        '>' => head.rfind('<').is_some_and(|open| tag(&head[open + 1..]) && !head[open..].contains(['>', '\n'])),
        '<' => tag(tail) && tail.find('>').is_some_and(|close| !tail[..close].contains(['<', '\n', ',', '.'])),
        '=' => {
            let own = head.rsplit(char::is_whitespace).next().unwrap_or_default();
            let next = tail.split(char::is_whitespace).next().unwrap_or_default();
            own.contains(['?', '&', '"']) || next.contains(['&', '"']) || own.contains("://")
        }
        _ => false,
    }
}

/// The nearest place at or behind `at` where the text may be cut.
fn ceiling(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
