//! Percent and hexadecimal text, as signatures want it.

/// Percent-encodes everything but unreserved characters (RFC 3986).
pub(crate) fn percent(text: &str) -> String {
    percent_except(text.as_bytes(), b"")
}

/// Percent-encodes everything but unreserved characters and those in `also`.
pub(crate) fn percent_except(bytes: &[u8], also: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

/// Undoes percent-encoding; a stray `%` stands for itself.
pub(crate) fn unpercent(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        out.push(pair.unwrap_or(*byte));
        at += if pair.is_some() { 3 } else { 1 };
    }
    out
}

/// Fields as `application/x-www-form-urlencoded`.
pub(crate) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&percent(name));
        out.push('=');
        out.push_str(&percent(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_goes_both_ways() {
        assert_eq!(percent("a b/ü~"), "a%20b%2F%C3%BC~");
        assert_eq!(unpercent("a%20b%2F%C3%BC~"), "a b/ü~".as_bytes());
        assert_eq!(unpercent("100%"), b"100%");
        assert_eq!(unpercent("%zz%4"), b"%zz%4");
    }
}
