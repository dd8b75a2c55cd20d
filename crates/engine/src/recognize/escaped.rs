//! Signs that are written as others: `\n` and `\u0040` of JSON text, `%40` of addresses, `&#64;` of HTML.
//!
//! What a model hands to a tool is JSON text, and so is most of what tools answer; text within text is escaped once more. A run of
//! backslashes therefore counts as one.

/// The sign that is written at the beginning of the text as several, and how many bytes those take.
pub(super) fn sign(text: &str) -> Option<(char, usize)> {
    match text.as_bytes().first()? {
        b'\\' => behind_backslash(text),
        b'%' => {
            let code = text.get(1..3).filter(|code| code.bytes().all(|sign| sign.is_ascii_hexdigit()))?;
            let letter = char::from(u8::from_str_radix(code, 16).ok()?);
            (matches!(letter, ' '..='~' | '\n' | '\r' | '\t')).then_some((letter, 3))
        }
        b'&' => entity(text),
        _ => None,
    }
}

/// How many backslashes the text begins with.
pub(super) fn backslashes(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'\\').count()
}

fn behind_backslash(text: &str) -> Option<(char, usize)> {
    let run = backslashes(text);
    let rest = &text[run..];
    let plain = |letter| Some((letter, run + 1));
    match rest.as_bytes().first()? {
        b'n' => plain('\n'),
        b'r' => plain('\r'),
        b't' => plain('\t'),
        b'b' | b'f' => plain(' '),
        b'"' => plain('"'),
        b'\'' => plain('\''),
        b'/' => plain('/'),
        b'x' => char::from_u32(hex(rest, 1, 3)?).filter(|letter| (' '..='~').contains(letter)).map(|letter| (letter, run + 3)),
        b'u' => {
            let unit = hex(rest, 1, 5)?;
            if !(0xD800..0xDC00).contains(&unit) {
                return char::from_u32(unit).map(|letter| (letter, run + 5));
            }
            // The second half of a pair, escaped as the first was.
            let second = rest.get(5..).filter(|second| backslashes(second) == run && second[run..].starts_with('u'))?;
            let low = hex(second, run + 1, run + 5)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
            char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + low).map(|letter| (letter, run + 5 + run + 5))
        }
        _ => None,
    }
}

fn hex(text: &str, from: usize, to: usize) -> Option<u32> {
    let code = text.get(from..to).filter(|code| code.bytes().all(|sign| sign.is_ascii_hexdigit()))?;
    u32::from_str_radix(code, 16).ok()
}

fn entity(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 8] = [
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&nbsp;", ' '),
        ("&commat;", '@'),
        ("&period;", '.'),
    ];
    if let Some((name, letter)) = NAMED.iter().find(|(name, _)| text.starts_with(name)) {
        return Some((*letter, name.len()));
    }
    let code = text.strip_prefix("&#")?;
    let end = code.bytes().take(8).position(|byte| byte == b';')?;
    let number = match code[..end].strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => code[..end].parse().ok()?,
    };
    // A sign never takes more bytes than what it is written as.
    char::from_u32(number).filter(|letter| !letter.is_control() || letter.is_whitespace()).map(|letter| (letter, end + 3))
}
