//! Writing JSON by hand: fields in order, no tree in between.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::extra::Extra;

/// Writes one JSON object.
pub fn object(write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_object(&mut out, write);
    out
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
    if is_plain(text.as_bytes()) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_value(out, text);
    }
}

/// Whether nothing in a text must be escaped. Eight bytes at a time: nearly every text written by hand is a short plain name.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of each byte that is below `limit`, of those that have none themselves; borrows can only add false alarms.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let suspect = |word: u64| below(word, b' ') | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
    let Some(last) = text.last_chunk() else {
        return text.iter().all(|byte| !matches!(byte, 0..b' ' | b'"' | b'\\'));
    };
    let found = text.as_chunks::<8>().0.iter().fold(0, |found, word| found | suspect(u64::from_le_bytes(*word)));
    found | suspect(u64::from_le_bytes(*last)) == 0
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
        let plain = "x\u{7f}\u{e9}\u{1f600}!#[]^ ~abcdefghij";
        for special in ["", "\"", "\\", "\n", "\u{1f}", "\u{0}"] {
            for cut in plain.char_indices().map(|(at, _)| at) {
                let text = format!("{}{special}{}", &plain[..cut], &plain[cut..]);
                for text in [text.as_str(), &text[..cut + special.len()]] {
                    let mut out = Vec::new();
                    write_text(&mut out, text);
                    assert_eq!(out, serde_json::to_vec(text).expect("a string"), "{text:?}");
                }
            }
        }
    }
}
