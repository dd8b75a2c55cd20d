//! Addresses: of mail, of machines, of telephones.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::digits;
use crate::recognize::joint::{joins_after, joins_before};

/// Endings of files that are no endings of hosts.
const FILES: [&str; 22] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "ts", "tsx", "jsx", "json", "html", "htm", "xml", "txt", "pdf", "csv",
    "log", "yaml", "yml",
];

/// A mail address: no credentials of a URL, no remote of a version control system, no image at twice its size.
pub(super) fn email(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let (local, domain) = written.rsplit_once('@')?;
    // What stands before the address is not always part of it: `mailto:`, `"`, `=`, `(`.
    let opened = local.rfind(['=', '/', '?', '&', '|', '{', '}', '\'', '*', '#', '!', '$', '^']).map_or(0, |at| at + 1);
    let start = met.start + opened;
    let local = local[opened..].trim_start_matches(['.', '-']);
    let start = start + (written.len() - opened - local.len() - 1 - domain.len());
    let ending = domain.rsplit('.').next()?.to_lowercase();
    let well = !local.is_empty() && local.len() <= 64 && !local.ends_with('.') && !local.contains("..");
    let before = text[..start].chars().next_back();
    // No further back than a URL goes: a text that is one word is not read from its beginning for each address in it.
    let credentials = before == Some(':') && {
        let signs = text.as_bytes()[start.saturating_sub(256)..start].rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        memchr::memmem::find(signs, b"://").is_some()
    };
    let after = text[met.end..].chars().next();
    let remote = local == "git";
    let goes_on = after.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '@')
        || after == Some('_') && text[met.end + 1..].starts_with(|letter: char| letter.is_ascii_alphanumeric());
    (well && !credentials && !remote && !goes_on && !FILES.contains(&ending.as_str())).then_some(start..met.end)
}

/// Four numbers up to 255 that are no version.
pub(super) fn ipv4(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let versioned =
        text[..met.start].ends_with(['v', 'V', '^', '~']) || text[..met.start].ends_with("==") || text[..met.start].ends_with(">=");
    (text[met.clone()].parse::<Ipv4Addr>().is_ok() && !versioned).then_some(met)
}

/// An address of the newer kind; two names joined by two colons are none.
pub(super) fn ipv6(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let mut span = met;
    // A colon at the end of a sentence.
    while text[span.clone()].ends_with(':') && !text[span.clone()].ends_with("::") {
        span.end -= 1;
    }
    let written = &text[span.clone()];
    let address = written.parse::<Ipv6Addr>().ok()?;
    let groups = written.split(':').filter(|group| !group.is_empty()).count();
    let digits = written.bytes().any(|byte| byte.is_ascii_digit());
    let long = written.split(':').any(|group| group.len() >= 3);
    let own = address.is_loopback() || (digits && groups >= 3) || (digits && groups >= 2 && long);
    let bounded = !joins_before(text, span.start) && !joins_after(text, span.end) && !text[..span.start].ends_with(':');
    (own && bounded).then_some(span)
}

/// A number with a country's code: eight to fifteen digits, and right for the countries whose length is fixed.
pub(super) fn international(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let all = digits(written);
    let code = if written.starts_with("00") { &all[2..] } else { all.strip_prefix(&[0, 1, 1]).unwrap_or(&all) };
    let count = code.len();
    if joins_before(text, met.start) || is_term(&text[..met.start], written) {
        return None;
    }
    let mut span = met;
    let follows = text[span.end..].chars().next();
    if follows.is_some_and(|letter| letter.is_ascii_digit() || letter == '%') {
        return None;
    }
    // The pattern may have run into the next number: cut at the last group that makes it too long.
    let most = match code {
        [1 | 7, ..] => 11,
        [8, 6, ..] => 13,
        [4, 9, ..] => 14,
        _ => 13,
    };
    if count > most {
        let mut kept = 0;
        let prefix = all.len() - count;
        let mut cut = None;
        for (at, byte) in text[span.clone()].bytes().enumerate() {
            if byte.is_ascii_digit() {
                kept += 1;
            } else if (9..=most + prefix).contains(&kept) {
                cut = Some(at);
            }
        }
        span.end = span.start + cut?;
    }
    let count = digits(&text[span.clone()]).len();
    let least = if code.first() == Some(&1) { 11 } else { 8 };
    // A group of digits alone behind a plus is a number only if it is a long one.
    (count >= least && count <= 15).then_some(span)
}

/// Whether a plus there adds rather than calls: what stands before it is a term, not a name, a mark of emphasis or a part of a URL.
fn is_term(before: &str, written: &str) -> bool {
    let mut signs = before.chars().rev();
    let sign = signs.next();
    let next = signs.next();
    match sign {
        Some(')' | ']') => true,
        Some('=') => !(next.is_some_and(char::is_alphabetic) && digits(written).len() >= 10),
        Some('*') => next.is_some_and(|letter| letter != '*' && !letter.is_whitespace()),
        Some('/') => !next.is_some_and(char::is_alphabetic),
        _ => false,
    }
}

/// Ten digits of the American plan, or eleven with its one.
pub(super) fn american(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    // Dots between digits alone are as often versions or amounts.
    let parts: Vec<&str> = written.split('.').collect();
    let dotted = parts.len() > 3 && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) && parts[0] != "1";
    // Numbers of clauses have a dot and a hyphen.
    let clause = written.contains('.') && written.contains('-') && !written.contains('(');
    (!dotted && !clause).then_some(met)
}

/// A national number that begins with a zero: nine to twelve digits, in groups.
pub(super) fn trunk(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let all = digits(written);
    let groups: Vec<&str> = written.split(|letter: char| !letter.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let dated = groups.len() == 3 && groups[2].len() == 4 && groups[0].len() == 2 && groups[1].len() == 2;
    let social = groups.iter().map(|group| group.len()).eq([3, 2, 4]);
    let decimal = written.contains('.') && groups.len() == 2;
    let zeroes = all.get(1).is_none_or(|digit| *digit == 0);
    // Numbers of a lottery, not pairs of a telephone's: those are five.
    let drawn = groups.len() > 5 && groups.iter().all(|group| group.len() <= 2);
    ((9..=12).contains(&all.len()) && !drawn && !dated && !social && !decimal && !zeroes).then_some(met)
}

/// A mobile number of eleven digits that begins as such numbers do.
pub(super) fn is_chinese_mobile(signs: &[u8]) -> bool {
    signs.len() == 11 && matches!(signs, [b'1', b'3'..=b'9', ..])
}

/// Digits that may be a telephone's where a word says so.
pub(super) fn plausible(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let groups = groups(&text[met.clone()]);
    let long = groups.len() > 1 || groups.first().is_some_and(|group| group.starts_with('0') || (9..=11).contains(&group.len()));
    (long && is_dialled(text, &met, &groups)).then_some(met)
}

/// The same where the word stands right before them: those of a small country have no groups.
pub(super) fn local(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    is_dialled(text, &met, &groups(&text[met.clone()])).then_some(met)
}

fn groups(written: &str) -> Vec<&str> {
    written.split(|letter: char| !letter.is_ascii_digit()).filter(|group| !group.is_empty()).collect()
}

/// Whether nothing tells that digits are a date, years, a price, a measure or a piece of something else.
fn is_dialled(text: &str, met: &Range<usize>, groups: &[&str]) -> bool {
    const COUNTED: [&str; 26] = [
        "bytes",
        "byte",
        "characters",
        "chars",
        "users",
        "people",
        "px",
        "times",
        "calls",
        "ms",
        "rows",
        "lines",
        "tokens",
        "items",
        "files",
        "records",
        "seconds",
        "messages",
        "words",
        "customers",
        "requests",
        "views",
        "euro",
        "dollars",
        "usd",
        "eur",
    ];
    let written = &text[met.clone()];
    let count: usize = groups.iter().map(|group| group.len()).sum();
    let year = |group: &&str| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"));
    let years = groups.len() <= 3 && groups.iter().all(year);
    let dated = groups.len() == 3 && (groups[0].len() == 4 || groups[2].len() == 4) && count == 8 && written.contains(['/', '.', '-']);
    let decimal = groups.len() == 2 && written.contains('.');
    let (before, after) = (&text[..met.start], &text[met.end..]);
    let priced = before.trim_end().ends_with(['$', '€', '£', '¥']) || after.trim_start().starts_with(['$', '€', '£', '¥', '%']);
    let word = after.trim_start().split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default();
    let counted = COUNTED.iter().any(|unit| word.eq_ignore_ascii_case(unit));
    // A range of a pattern, a part of a name of resources.
    let piece = after.starts_with('[') || before.ends_with(':') && after.starts_with(':');
    (7..=13).contains(&count) && !years && !dated && !decimal && !priced && !counted && !piece
}
