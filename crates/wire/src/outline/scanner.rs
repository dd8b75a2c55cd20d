//! Reading the outline across frames: each byte once, nothing copied but unusual keys.

use std::borrow::Cow;

use memchr::memchr2;
use serde::de::IgnoredAny;

use super::{Entry, MAX_DEPTH, Outline, Span};
use crate::frames::Frames;
use crate::problem::Malformed;
use crate::seal;

/// A key as readers take it to whom case does not matter, such as everything that Go's `encoding/json` reads.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    })
}

/// The names of keys that most requests and answers have, so that they need not be copied.
fn everyday(key: &[u8]) -> Option<&'static str> {
    Some(match key {
        b"model" => "model",
        b"messages" => "messages",
        b"stream" => "stream",
        b"max_tokens" => "max_tokens",
        b"temperature" => "temperature",
        b"tools" => "tools",
        b"tool_choice" => "tool_choice",
        b"stream_options" => "stream_options",
        b"top_p" => "top_p",
        b"n" => "n",
        b"stop" => "stop",
        b"seed" => "seed",
        b"user" => "user",
        b"metadata" => "metadata",
        b"response_format" => "response_format",
        b"max_completion_tokens" => "max_completion_tokens",
        b"reasoning_effort" => "reasoning_effort",
        b"parallel_tool_calls" => "parallel_tool_calls",
        b"input" => "input",
        b"instructions" => "instructions",
        b"system" => "system",
        b"thinking" => "thinking",
        b"contents" => "contents",
        b"generationConfig" => "generationConfig",
        b"systemInstruction" => "systemInstruction",
        b"id" => "id",
        b"object" => "object",
        b"created" => "created",
        b"choices" => "choices",
        b"usage" => "usage",
        b"system_fingerprint" => "system_fingerprint",
        b"service_tier" => "service_tier",
        b"index" => "index",
        b"message" => "message",
        b"logprobs" => "logprobs",
        b"finish_reason" => "finish_reason",
        _ => return None,
    })
}

/// Bytes that open or close something inside a value.
const BRACKETS: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

/// Where the first quote or backslash stands. Most strings of a request are names, too short for a wide search to pay: they are read
/// eight bytes at a time.
fn string_end(rest: &[u8]) -> Option<usize> {
    const WORDS: usize = 2;
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of the first byte that is zero, and perhaps of some behind it.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = rest.as_chunks::<8>();
    let near = &words[..words.len().min(WORDS)];
    for (at, word) in near.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let seen = near.len() * 8;
    let far = &rest[seen..];
    let found = if far.len() < 8 { far.iter().position(|byte| matches!(byte, b'"' | b'\\')) } else { memchr2(b'"', b'\\', far) };
    found.map(|found| seen + found)
}

pub(super) fn check_utf8(body: &Frames) -> Result<(), Malformed> {
    let mut carry: Vec<u8> = Vec::new();
    for part in body.parts() {
        let mut rest: &[u8] = part;
        while !carry.is_empty() && !rest.is_empty() {
            carry.push(rest[0]);
            rest = &rest[1..];
            match std::str::from_utf8(&carry) {
                Ok(_) => carry.clear(),
                Err(error) if error.error_len().is_some() => return Err(Malformed::new("the body is not valid UTF-8")),
                Err(_) => {}
            }
        }
        if let Err(error) = simdutf8::compat::from_utf8(rest) {
            if error.error_len().is_some() {
                return Err(Malformed::new("the body is not valid UTF-8"));
            }
            carry.extend_from_slice(&rest[error.valid_up_to()..]);
        }
    }
    if carry.is_empty() { Ok(()) } else { Err(Malformed::new("the body is not valid UTF-8")) }
}

/// Reads bytes across frames.
pub(super) struct Scanner<'a> {
    parts: &'a [&'a [u8]],
    part: usize,
    at: usize,
    base: usize,
    /// Whether a text begins like one of this gateway's own.
    holds_ours: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts, part: 0, at: 0, base: 0, holds_ours: false }
    }

    fn offset(&self) -> usize {
        self.base + self.at
    }

    /// The bytes from `start` to `end` as one slice of memory, as far as there are so many.
    fn joined(&self, start: usize, end: usize) -> Cow<'a, [u8]> {
        let (mut offset, mut joined) = (0, Vec::new());
        for part in self.parts {
            let here = start.max(offset)..end.min(offset + part.len());
            if !here.is_empty() {
                let piece = &part[here.start - offset..here.end - offset];
                if piece.len() == end - start {
                    return Cow::Borrowed(piece);
                }
                joined.extend_from_slice(piece);
            }
            offset += part.len();
        }
        Cow::Owned(joined)
    }

    /// The unread bytes of the current frame; empty only at the end of the body.
    fn rest(&mut self) -> &'a [u8] {
        while let Some(part) = self.parts.get(self.part) {
            if self.at < part.len() {
                return &part[self.at..];
            }
            self.base += part.len();
            self.part += 1;
            self.at = 0;
        }
        &[]
    }

    fn peek(&mut self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    fn unexpected(&mut self, wanted: &str) -> Malformed {
        let at = self.offset();
        match self.peek() {
            Some(byte) => Malformed::new(&format!("expected {wanted} at byte {at}, found `{}`", char::from(byte).escape_default())),
            None => Malformed::new(&format!("expected {wanted}, but the body ends at byte {at}")),
        }
    }

    pub(super) fn object(&mut self) -> Result<Outline, Malformed> {
        if self.skip_space() != Some(b'{') {
            return Err(self.unexpected("a JSON object"));
        }
        self.at += 1;
        let mut outline = Outline { entries: Vec::with_capacity(12), open: self.offset(), holds_ours: false };
        if self.skip_space() == Some(b'}') {
            self.at += 1;
            return Ok(outline);
        }
        let mut ascii = true;
        loop {
            let entry = self.entry()?;
            ascii &= entry.key.is_ascii();
            let twice = match ascii {
                true => outline.entries.iter().any(|known| known.key.eq_ignore_ascii_case(&entry.key)),
                false => outline.entries.iter().any(|known| folded(&known.key).eq(folded(&entry.key))),
            };
            if twice {
                return Err(Malformed::field(&entry.key, "the key is there twice"));
            }
            outline.entries.push(entry);
            match self.skip_space() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Outline { holds_ours: self.holds_ours, ..outline });
                }
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, Malformed> {
        if self.skip_space() != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let key_span = self.string()?;
        let key = self.key(key_span)?;
        if self.skip_space() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        let value = self.value()?;
        Ok(Entry { key, key_span, value })
    }

    /// The text of a key. Those of everyday requests cost no allocation.
    fn key(&self, span: Span) -> Result<Cow<'static, str>, Malformed> {
        let invalid = || Malformed::new(&format!("the key at byte {} is not a valid string", span.start));
        let joined;
        let here = (span.start >= self.base).then(|| self.parts.get(self.part)).flatten();
        let written: &[u8] = match here {
            Some(part) => &part[span.start - self.base..span.end - self.base],
            None => {
                joined = self.joined(span.start, span.end);
                &joined
            }
        };
        let text = &written[1..written.len() - 1];
        if let Some(known) = everyday(text) {
            return Ok(Cow::Borrowed(known));
        }
        serde_json::from_slice::<String>(written).map(Cow::Owned).map_err(|_| invalid())
    }

    fn value(&mut self) -> Result<Span, Malformed> {
        match self.skip_space() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.container(),
            Some(_) => self.scalar(),
            None => Err(self.unexpected("a value")),
        }
    }

    fn string(&mut self) -> Result<Span, Malformed> {
        let start = self.offset();
        self.at += 1;
        self.holds_ours |= self.begins_like_ours();
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Err(self.unexpected("the end of a string"));
            }
            match string_end(rest) {
                None => self.at += rest.len(),
                Some(found) if rest[found] == b'"' => {
                    self.at += found + 1;
                    return Ok(Span { start, end: self.offset() });
                }
                Some(found) => {
                    self.at += found + 1;
                    if self.next().is_none() {
                        return Err(self.unexpected("an escape"));
                    }
                }
            }
        }
    }

    /// Whether what begins here may be one of the gateway's own tokens or ids, wherever the frame ends.
    fn begins_like_ours(&mut self) -> bool {
        let rest = self.rest();
        if rest.len() >= seal::HEAD || self.part + 1 == self.parts.len() {
            return seal::is_ours(rest);
        }
        let start = self.offset();
        seal::is_ours(&self.joined(start, start + seal::HEAD))
    }

    fn container(&mut self) -> Result<Span, Malformed> {
        let start = self.offset();
        // One bit a level, the innermost lowest: set for an object.
        let (mut kinds, mut depth) = (0_u128, 0_u32);
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Err(self.unexpected("the end of a value"));
            }
            let Some(found) = rest.iter().position(|byte| BRACKETS[usize::from(*byte)]) else {
                self.at += rest.len();
                continue;
            };
            self.at += found;
            match rest[found] {
                b'"' => {
                    self.string()?;
                    continue;
                }
                open @ (b'{' | b'[') => {
                    depth += 1;
                    if depth >= MAX_DEPTH {
                        return Err(Malformed::new("the body is nested too deeply"));
                    }
                    kinds = (kinds << 1) | u128::from(open == b'{');
                }
                close => {
                    if (kinds & 1 == 1) != (close == b'}') {
                        return Err(self.unexpected("the matching bracket"));
                    }
                    kinds >>= 1;
                    depth -= 1;
                }
            }
            self.at += 1;
            if depth == 0 {
                return Ok(Span { start, end: self.offset() });
            }
        }
    }

    fn scalar(&mut self) -> Result<Span, Malformed> {
        let start = self.offset();
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                break;
            }
            self.at += 1;
        }
        let span = Span { start, end: self.offset() };
        if let Some(part) = (start >= self.base).then(|| self.parts.get(self.part)).flatten() {
            let written = &part[start - self.base..self.at];
            let digits = !written.is_empty() && written.len() < 19 && written.iter().all(u8::is_ascii_digit);
            if matches!(written, b"true" | b"false" | b"null") || digits && (written.len() == 1 || written[0] != b'0') {
                return Ok(span);
            }
        }
        match serde_json::from_slice::<IgnoredAny>(&self.joined(span.start, span.end)) {
            Ok(_) => Ok(span),
            Err(_) => Err(Malformed::new(&format!("the value at byte {start} is not valid JSON"))),
        }
    }

    pub(super) fn expect_end(&mut self) -> Result<(), Malformed> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the body")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::string_end;

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_stands() {
        for length in 0..40 {
            for filler in [b'a', 0xff, 0x21, 0x23, 0x5b, 0x5d, 0] {
                let mut text = vec![filler; length];
                assert_eq!(string_end(&text), None);
                for second in (0..length).rev() {
                    text[second] = b'\\';
                    for first in 0..second {
                        let before = std::mem::replace(&mut text[first], b'"');
                        assert_eq!(string_end(&text), Some(first), "{text:?}");
                        text[first] = before;
                    }
                    assert_eq!(string_end(&text), Some(second), "{text:?}");
                }
            }
        }
    }
}
