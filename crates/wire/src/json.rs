//! Writing JSON by hand: fields in order, no tree in between.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::extra::Extra;

/// Writes one JSON object.
pub fn object(write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_object(&mut out, write);
    out
}

/// What was written, as the text that JSON is.
pub fn text(written: Vec<u8>) -> String {
    String::from_utf8(written).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes one JSON object at the end of `out`.
pub fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object { out, first: true });
    out.push(b'}');
}

/// Writes any value at the end of `out`.
pub fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Plain data always serialises; a map with keys that are no strings would end here.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Writes a text in quotes at the end of `out`.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    while let Some((plain, special, behind)) = first_special(rest) {
        out.extend_from_slice(plain);
        write_special(out, special);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// What must be escaped first in a text, and what stands before and behind it. Eight bytes at a time, for nearly every text written by
/// hand is a short plain name; long texts by blocks.
fn first_special(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const BLOCK: usize = 64;
    let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without a branch for each byte, a block is looked at as a whole.
    let is_plain = |block: &&[u8; BLOCK]| block.iter().fold(0, |found, byte| found | u8::from(is_special(*byte))) == 0;
    let skipped = text.as_chunks().0.iter().take_while(is_plain).count() * BLOCK;
    let (words, last) = text[skipped..].as_chunks::<8>();
    // The high bit of each byte that is below `limit`, of those that have none themselves; a borrow adds false alarms behind a true one.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let found = |word: u64| below(word, b' ') | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
    let in_words = words.iter().map(|word| found(u64::from_le_bytes(*word))).enumerate().find(|(_, found)| *found != 0);
    let at = match in_words {
        Some((word, found)) => word * 8 + found.trailing_zeros() as usize / 8,
        None => words.len() * 8 + last.iter().position(|byte| is_special(*byte))?,
    };
    let (plain, rest) = text.split_at(skipped + at);
    let (special, behind) = rest.split_first()?;
    Some((plain, *special, behind))
}

fn write_special(out: &mut Vec<u8>, special: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match special {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        b'"' | b'\\' => special,
        _ => {
            let digits = [DIGITS[usize::from(special >> 4)], DIGITS[usize::from(special & 15)]];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// An object under way.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_text(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A field with a text.
    pub fn text(&mut self, key: &str, text: &str) {
        write_text(self.key(key), text);
    }

    /// A field with a whole number.
    pub fn number(&mut self, key: &str, number: u64) {
        self.key(key).extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A field with any value.
    pub fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        write_value(self.key(key), value);
    }

    /// A field that is left out where there is no value.
    pub fn option<T: Serialize>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.field(key, &value);
        }
    }

    /// A field whose value is JSON text already.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key).extend_from_slice(json.as_bytes());
    }

    /// A field with an object.
    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        write_object(self.key(key), write);
    }

    /// A field with an array.
    pub fn array(&mut self, key: &str, write: impl FnOnce(&mut Array<'_>)) {
        write_array(self.key(key), write);
    }

    /// The fields of that dialect that the meaning does not know.
    pub fn extra(&mut self, extra: &Extra, dialect: Dialect) {
        for (key, value) in extra.of(dialect) {
            self.raw(key, value.get());
        }
    }
}

/// Writes one JSON array at the end of `out`.
pub fn write_array(out: &mut Vec<u8>, write: impl FnOnce(&mut Array<'_>)) {
    out.push(b'[');
    write(&mut Array { out, first: true });
    out.push(b']');
}

/// An array under way.
#[derive(Debug)]
pub struct Array<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Array<'_> {
    fn next(&mut self) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out
    }

    /// Any value.
    pub fn item<T: Serialize + ?Sized>(&mut self, value: &T) {
        write_value(self.next(), value);
    }

    /// A value that is JSON text already.
    pub fn raw(&mut self, json: &str) {
        self.next().extend_from_slice(json.as_bytes());
    }

    /// An object.
    pub fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        write_object(self.next(), write);
    }

    /// An array.
    pub fn array(&mut self, write: impl FnOnce(&mut Array<'_>)) {
        write_array(self.next(), write);
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.first
    }
}

/// JSON text as a raw value; `None` where it is not valid JSON.
pub fn raw(json: &str) -> Option<Box<RawValue>> {
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::write_text;

    #[test]
    fn a_text_is_written_as_json_wherever_it_must_be_escaped() {
        let plain = "x\u{7f}\u{e9}\u{1f600}!#[]^ ~abcdefghij".repeat(5);
        let specials = (0..b' ').chain([b'"', b'\\']).map(|byte| char::from(byte).to_string());
        for special in specials.chain([String::new()]) {
            for cut in plain.char_indices().map(|(at, _)| at) {
                let text = format!("{}{special}{}", &plain[..cut], &plain[cut..]);
                for text in [text.as_str(), &text[..cut + special.len()], &format!("{text}{special}{special}")] {
                    let mut out = Vec::new();
                    write_text(&mut out, text);
                    assert_eq!(out, serde_json::to_vec(text).expect("a string"), "{text:?}");
                }
            }
        }
    }
}
