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
    if !url && is_expression(text, &met, value) {
        return None;
    }
    let value = if url { written.split("://").nth(1)?.split_once(':')?.1.split('@').next()? } else { value };
    let classes = classes(value);
    let random = if url {
        value.len() >= 3 && !value.starts_with(['$', '{']) && !is_name_of_one(value)
    } else {
        value.len() >= 12 && entropy(value) >= 3.0 && classes >= 2 && !is_words(value)
    };
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
    let unsaid =
        !written.contains([':', '=', '：', '是', 'は', '为', '"', '\'']) && !written.contains(" is ") && !written.contains(" ist ");
    let bare = value.trim_end_matches([':', '=']);
    let element = bare.ends_with(']') && bare.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if element
        || value.starts_with(['[', '{'])
        || is_expression(text, &met, bare)
        || unsaid && !bare.bytes().any(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let said = written.contains([':', '=']) && value.bytes().all(|byte| byte.is_ascii_digit());
    (value.len() >= 6
        && (said || classes(value) >= 2)
        && value.bytes().any(|byte| !byte.is_ascii_alphabetic())
        && (said || !is_words(value))
        && !is_placeholder(value))
    .then_some(met)
}

/// A word and behind it what nobody would choose: long, of both cases and digits, and no id that a program gave.
pub(super) fn is_token(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    /// What ids, digests and pictures are called.
    const NAMED: [&str; 44] = [
        "chatcmpl", "cmpl", "call", "toolu", "msg", "resp", "run", "thread", "asst", "file", "req", "org", "proj", "batch", "rs", "fc",
        "evt", "cus", "pi", "ch", "sub", "price", "prod", "in", "acct", "user", "usr", "id", "img", "image", "sha1", "sha256", "sha384",
        "sha512", "md5", "commit", "etag", "session", "trace", "span", "request", "step", "snap", "ws",
    ];
    let written = &text[met.clone()];
    let head = written.split(['_', '-']).next().unwrap_or_default();
    let tail = written.rsplit(['_', '-']).next().unwrap_or_default();
    let has = |test: fn(&u8) -> bool| tail.as_bytes().iter().any(test);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    let named = NAMED.iter().any(|name| head.eq_ignore_ascii_case(name));
    (mixed && !named && entropy(tail) >= 4.0 && !is_placeholder(tail)).then_some(met)
}

/// Whether what stands there is computed rather than written out: a call, an element, a path, another name, the name itself.
fn is_expression(text: &str, met: &Range<usize>, value: &str) -> bool {
    let written = &text[met.clone()];
    let after = &text[met.end..];
    let called = after.starts_with(['(', '[', '<']) || after.starts_with("::");
    let identifier = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let pointed = value.strip_prefix(['*', '&', '$']).is_some_and(|name| name.trim_end_matches("->").split("->").all(identifier));
    let itself = written.split([':', '=', ' ']).next().is_some_and(|name| {
        let name = name.trim_matches(['"', '\'', '`']);
        name.len() >= 8 && value.len() >= 8 && (name.eq_ignore_ascii_case(value) || name.ends_with(value) || value.ends_with(name))
    });
    called || pointed || itself
}

/// Whether it says what stands there instead of telling it: `postgres://user:password@host`.
fn is_name_of_one(value: &str) -> bool {
    ["pass", "password", "passwd", "passw", "pwd", "pw", "secret", "psw"].iter().any(|name| value.eq_ignore_ascii_case(name))
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

/// Whether it reads as words: of one case or joined by capitals, and years or small numbers, with single signs between them.
fn is_words(value: &str) -> bool {
    let pieces = value.split(['-', '_', '.', '/']).filter(|piece| !piece.is_empty()).count();
    let is_word = |word: &str| {
        let bytes = word.as_bytes();
        let number = bytes.len() <= 4 && bytes.iter().all(u8::is_ascii_digit);
        // "boto3" is a word among others; alone it is as often a password.
        let counted = pieces > 1 && word.trim_end_matches(|letter: char| letter.is_ascii_digit()).len() + 2 >= word.len();
        let plain = if counted { word.trim_end_matches(|letter: char| letter.is_ascii_digit()) } else { word };
        number
            || plain.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
            || plain.bytes().all(|byte| byte.is_ascii_uppercase())
            || is_joined(plain)
    };
    value.split(['-', '_', '.', '/']).all(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && is_word(word))
}

/// Whether capitals join words as names of types do: `PrivateKeyDer`, `getHTTPToken`. What is random has shorter runs.
fn is_joined(word: &str) -> bool {
    let bytes = word.as_bytes();
    let begins = bytes.windows(2).filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase()).count() + 1;
    bytes.iter().all(u8::is_ascii_alphabetic) && bytes.len() >= begins * 4
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
