//! One pass over JSON: whether it is JSON at all, without making anything of it.
//!
//! What passes to the client as it came is nowhere else looked at. What is cut or garbled must be found here, or it passes for whole.
//! Strings, which most of an answer is, are read eight bytes at a time.

/// Hears of the keys that a pass comes by.
pub(crate) trait Listener {
    /// A key of an object at that depth, and where the text behind its colon begins. `plain`: it is written without escapes. `None`
    /// ends the pass.
    fn key(&mut self, depth: u32, key: &[u8], plain: bool, at: usize) -> Option<()>;
}

/// Nobody listens.
impl Listener for () {
    fn key(&mut self, _: u32, _: &[u8], _: bool, _: usize) -> Option<()> {
        Some(())
    }
}

/// Deeper JSON is left to the full reader, which has a bound of its own.
const DEEPEST: u32 = 100;

/// Whether that is a JSON object, and none that is written unusually.
pub(crate) fn is_object(json: &[u8]) -> bool {
    sweep(json, ()).is_some()
}

/// Tells of every key of a JSON object; `None` where it is none, or where the listener has heard enough.
pub(crate) fn sweep<L: Listener>(body: &[u8], listener: L) -> Option<L> {
    if !body.starts_with(b"{") || simdutf8::basic::from_utf8(body).is_err() {
        return None;
    }
    let mut sweep = Sweep { body, at: 0, objects: 0, depth: 0, listener };
    sweep.document()?;
    Some(sweep.listener)
}

struct Sweep<'a, L> {
    body: &'a [u8],
    at: usize,
    /// One bit a level, the innermost lowest: set for an object.
    objects: u128,
    depth: u32,
    listener: L,
}

impl<L: Listener> Sweep<'_, L> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.body.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn document(&mut self) -> Option<()> {
        loop {
            if self.value()? {
                continue;
            }
            if !self.next()? {
                return self.peek().is_none().then_some(());
            }
        }
    }

    /// Reads a scalar or an empty container, or goes into a container; then there is another value to be read.
    fn value(&mut self) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' => self.string().map(|_| false),
            b'{' | b'[' => {
                let (is_object, close) = (byte == b'{', byte + 2);
                if self.peek()? == close {
                    self.at += 1;
                    return Some(false);
                }
                self.depth += 1;
                if self.depth > DEEPEST {
                    return None;
                }
                self.objects = (self.objects << 1) | u128::from(is_object);
                if is_object {
                    self.key()?;
                }
                Some(true)
            }
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' | b'0'..=b'9' => {
                self.at -= 1;
                self.number().map(|()| false)
            }
            _ => None,
        }
    }

    /// Goes on behind a value: whether there is another.
    fn next(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let is_object = self.objects & 1 == 1;
            let byte = self.peek()?;
            self.at += 1;
            match (byte, is_object) {
                (b',', true) => return self.key().map(|()| true),
                (b',', false) => return Some(true),
                (b'}', true) | (b']', false) => {
                    self.objects >>= 1;
                    self.depth -= 1;
                }
                _ => return None,
            }
        }
        Some(false)
    }

    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        self.at = start;
        let plain = self.string()?;
        let end = self.at - 1;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.listener.key(self.depth, &self.body[start..end], plain, self.at)
    }

    fn word(&mut self, rest: &[u8]) -> Option<bool> {
        let is_it = self.body[self.at..].starts_with(rest);
        self.at += rest.len();
        is_it.then_some(false)
    }

    /// A string from behind its first quote to behind its last. Whether it is written without escapes.
    fn string(&mut self) -> Option<bool> {
        let mut plain = true;
        loop {
            self.at += special(&self.body[self.at..]);
            match *self.body.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(plain);
                }
                b'\\' => {
                    plain = false;
                    self.escape()?;
                }
                // A control character must be escaped.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.body.get(self.at + 1)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                // Half a character, and the other half.
                0xd800..=0xdbff => {
                    let follows = self.body[self.at..].starts_with(b"\\u");
                    self.at += 2;
                    (follows && matches!(self.unit()?, 0xdc00..=0xdfff)).then_some(())
                }
                0xdc00..=0xdfff => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.body.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    fn digits(&mut self) -> usize {
        let count = self.body[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Option<()> {
        if self.body[self.at] == b'-' {
            self.at += 1;
        }
        let first = *self.body.get(self.at)?;
        let whole = self.digits();
        if whole == 0 || whole > 1 && first == b'0' {
            return None;
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.body.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.body.get(self.at) {
                self.at += 1;
            }
            // Larger ones no reader here takes, nor longer numbers with an exponent.
            matches!(self.digits(), 1 | 2).then_some(())?;
        }
        // What is longer than any number that means something is left to the full reader.
        (whole <= 200).then_some(())
    }
}

/// Where the first byte stands that may not simply be passed over in a string: a quote, a backslash, a control character.
fn special(rest: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of the first byte that is zero, and perhaps of some behind it.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, tail) = rest.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let seen = words.len() * 8;
    seen + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_object, special};

    #[test]
    fn strings_end_where_they_end() {
        for length in 0..40 {
            for filler in [b'a', 0xff, 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0x9f, 0xa2, 0xdc] {
                for mark in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut text = vec![filler; length];
                    assert_eq!(special(&text), length);
                    for at in (0..length).rev() {
                        text[at] = mark;
                        assert_eq!(special(&text), at, "{text:?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_an_object(body in "\\{[]\\[{}\",:a0.e\\\\ -]{0,40}\\}") {
            let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body);
            prop_assert!(parsed.is_ok() || !is_object(body.as_bytes()), "{body}");
        }
    }
}
