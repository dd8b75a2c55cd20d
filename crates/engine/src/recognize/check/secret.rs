//! Whether a text is a secret rather than a word that stands where secrets stand.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What stands where a secret will.
const PLACEHOLDERS: [&str; 34] = [
    "your",
    "example",
    "changeme",
    "change_me",
    "placeholder",
    "xxxx",
    "****",
    "....",
    "dummy",
    "redacted",
    "insert",
    "replace",
    "secret_here",
    "token_here",
    "key_here",
    "todo",
    "none",
    "null",
    "undefined",
    "process.env",
    "os.environ",
    "getenv",
    "import.meta",
    "<",
    "${",
    "{{",
    "env.",
    "config.",
    "settings.",
    "self.",
    "this.",
    "1234567890abcdef",
    "abcdefgh",
    "mytoken",
];

/// A token whose first part says how it is signed.
pub(super) fn is_jwt(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let head = text[met.clone()].split('.').next()?;
    let decoded = URL_SAFE_NO_PAD.decode(head).ok()?;
    let head: serde_json::Value = serde_json::from_slice(&decoded).ok()?;
    (head.get("alg").is_some() || head.get("enc").is_some()).then_some(met)
}

/// A key of a vendor's form that is not an example of one.
pub(super) fn is_random(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let lower = written.to_ascii_lowercase();
    let to_fill_in = ["your", "xxxx", "replace", "insert", "placeholder", "redacted"].iter().any(|word| lower.contains(word));
    (!to_fill_in
        && !is_monotone(&lower)
        && entropy(written) >= 3.0
        && written.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
    .then_some(met)
}

/// The value behind a name like `api_key`: long, mixed, and not to be filled in.
pub(super) fn is_value(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let value = written.rsplit(['=', ':', ' ', '"', '\'', '`', '\t', '\n', '>']).find(|part| part.len() >= 3).unwrap_or(written);
    let value = value.trim_end_matches(['=', '.', ',', ';']);
    let url = written.contains("://");
    let value = if url { written.split("://").nth(1)?.split_once(':')?.1.split('@').next()? } else { value };
    let classes = classes(value);
    let random = if url { value.len() >= 3 } else { value.len() >= 12 && entropy(value) >= 3.0 && classes >= 2 && !is_words(value) };
    let dated = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'/' | b'_'));
    (random && !dated && !is_placeholder(value)).then_some(met)
}

/// What is said to be a password: not a word that only follows that word.
pub(super) fn is_password(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let value = written.rsplit(['"', '\'', '`', ' ', '\n', '\t']).next().unwrap_or(written);
    let value = match value.rfind(['=', ':', '：', '是', 'は']) {
        Some(at) if at + 1 < value.len() => value[at..].trim_start_matches(['=', ':', '：', '是', 'は', '>']),
        _ => value,
    };
    let value = value.trim_end_matches(['.', '?', '!']);
    let said = written.contains([':', '=']) && value.bytes().all(|byte| byte.is_ascii_digit());
    (value.len() >= 6
        && (said || classes(value) >= 2)
        && value.bytes().any(|byte| !byte.is_ascii_alphabetic())
        && (said || !is_words(value))
        && !is_placeholder(value))
    .then_some(met)
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|placeholder| lower.contains(placeholder)) || is_monotone(&lower)
}

/// Whether few signs make up most of it.
fn is_monotone(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.windows(6).any(|window| window.iter().all(|byte| *byte == window[0]))
}

/// Whether it reads as words: letters of one case, and years or small numbers, with single signs between them.
fn is_words(value: &str) -> bool {
    let is_word = |word: &str| {
        let bytes = word.as_bytes();
        let number = bytes.len() <= 4 && bytes.iter().all(u8::is_ascii_digit);
        number || bytes.iter().skip(1).all(u8::is_ascii_lowercase) || bytes.iter().all(u8::is_ascii_uppercase)
    };
    value.split(['-', '_', '.', '/']).all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && is_word(word))
}

/// How many of lower case, upper case, digits and signs it has.
fn classes(value: &str) -> usize {
    let has = |test: fn(&u8) -> bool| usize::from(value.as_bytes().iter().any(test));
    has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit) + has(|byte| !byte.is_ascii_alphanumeric())
}

/// Bits for each sign.
#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred signs")]
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    value.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = value.len().max(1) as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|share| -share * share.log2()).sum()
}
