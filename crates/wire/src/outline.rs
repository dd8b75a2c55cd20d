//! One JSON object, one level deep, found in frames that are never joined.
//!
//! The scan checks what a gateway must not leave to chance: valid UTF-8, bounded depth, balanced brackets, and no key twice at the
//! top level. Two parsers that disagree on which of two `model` keys counts would be a way around an allow-list.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr2;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::frames::Frames;
use crate::problem::Malformed;

#[cfg(test)]
#[path = "outline/tests.rs"]
mod tests;

/// The deepest nesting that is read.
pub const MAX_DEPTH: u32 = 128;

/// Where a value stands in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One key of the object and where its value stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, escapes resolved.
    pub key: Cow<'static, str>,
    /// The key as written, quotes included.
    pub key_span: Span,
    /// The value as written.
    pub value: Span,
}

/// The top level of a JSON object: its keys and where their values stand.
#[derive(Clone, Debug)]
pub struct Outline {
    entries: Vec<Entry>,
    open: usize,
}

/// What must change in a request for its target, as data. Applied to bytes, translated or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Keys that get this JSON value, whether or not the client sent them.
    pub set: Vec<(String, String)>,
    /// Keys that get this JSON value where the client did not send them.
    pub default: Vec<(String, String)>,
    /// Keys that are written under another name; left out where that name is there already.
    pub rename: Vec<(String, String)>,
    /// Keys that are left out.
    pub remove: Vec<String>,
    /// Keys that are left out because the target does not take them, which is a loss to the caller.
    pub lose: Vec<String>,
}

impl Edits {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.default.is_empty() && self.rename.is_empty() && self.remove.is_empty() && self.lose.is_empty()
    }

    fn removes(&self, key: &str) -> bool {
        self.remove.iter().chain(&self.lose).any(|removed| removed == key)
    }
}

impl Outline {
    /// Finds the top-level keys of the object in `body`.
    pub fn scan(body: &Frames) -> Result<Self, Malformed> {
        check_utf8(body)?;
        let mut scanner = Scanner::new(body);
        let outline = scanner.object()?;
        scanner.expect_end()?;
        Ok(outline)
    }

    /// The keys and the places of their values, in the order written.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of that key, read as a `T`; `null` counts as absent.
    pub fn read<T: DeserializeOwned>(&self, body: &Frames, key: &str) -> Result<Option<T>, Malformed> {
        let Some(entry) = self.get(key) else { return Ok(None) };
        let raw = body.slice(entry.value.start, entry.value.end);
        serde_json::from_slice::<Option<T>>(&raw).map_err(|error| Malformed::field(key, &error.to_string()))
    }

    /// The body with the edits applied: slices of the old one around the new bytes.
    pub fn apply(&self, body: &Frames, edits: &Edits) -> Frames {
        if edits.is_empty() {
            return body.clone();
        }
        let mut patch = Patch { body, out: Frames::new(), copied: 0 };
        let renamed_away = |entry: &Entry| edits.rename.iter().any(|(from, to)| *from == entry.key && self.get(to).is_some());
        let removed = |entry: &Entry| edits.removes(&entry.key) || renamed_away(entry);
        let last_kept = self.entries.iter().rposition(|entry| !removed(entry));
        for (at, entry) in self.entries.iter().enumerate() {
            if removed(entry) {
                match (last_kept, self.entries.get(at + 1)) {
                    (Some(last), Some(next)) if at < last => patch.skip(entry.key_span.start, next.key_span.start),
                    _ => {
                        let from = last_kept.map_or(self.open, |last| self.entries[last].value.end);
                        patch.skip(from.max(patch.copied), entry.value.end);
                    }
                }
                continue;
            }
            if let Some((_, to)) = edits.rename.iter().find(|(from, to)| *from == entry.key && self.get(to).is_none()) {
                patch.replace(entry.key_span, quoted(to));
            }
            if let Some((_, value)) = edits.set.iter().find(|(key, _)| *key == entry.key) {
                patch.replace(entry.value, value.clone());
            }
        }
        self.append_missing(&mut patch, edits, last_kept);
        patch.finish()
    }

    fn append_missing(&self, patch: &mut Patch<'_>, edits: &Edits, last_kept: Option<usize>) {
        let at = match (last_kept, self.entries.last()) {
            (_, Some(last)) => last.value.end,
            (_, None) => self.open,
        };
        let mut first = last_kept.is_none();
        let missing = |key: &str| self.get(key).is_none_or(|entry| edits.removes(&entry.key));
        let defaults = edits.default.iter().filter(|(key, _)| !edits.set.iter().any(|(set, _)| set == key));
        for (key, value) in edits.set.iter().chain(defaults).filter(|(key, _)| missing(key)) {
            let comma = if first { "" } else { "," };
            first = false;
            patch.insert(at, format!("{comma}{}:{value}", quoted(key)));
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A copy of a body under way, with replacements in ascending order.
struct Patch<'a> {
    body: &'a Frames,
    out: Frames,
    copied: usize,
}

impl Patch<'_> {
    fn copy_to(&mut self, at: usize) {
        if at > self.copied {
            self.body.slice_into(self.copied, at, &mut self.out);
            self.copied = at;
        }
    }

    fn skip(&mut self, from: usize, to: usize) {
        self.copy_to(from);
        self.copied = self.copied.max(to);
    }

    fn replace(&mut self, span: Span, with: String) {
        self.skip(span.start, span.end);
        self.out.push(Bytes::from(with));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.copy_to(at);
        self.out.push(Bytes::from(text));
    }

    fn finish(mut self) -> Frames {
        self.copy_to(self.body.len());
        self.out
    }
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

/// Where the first quote or backslash stands. Most strings of a request are names, too short for a wide search to pay.
fn string_end(rest: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    let near = &rest[..rest.len().min(SHORT)];
    match near.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        None if rest.len() > SHORT => memchr2(b'"', b'\\', &rest[SHORT..]).map(|found| SHORT + found),
        found => found,
    }
}

fn check_utf8(body: &Frames) -> Result<(), Malformed> {
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
struct Scanner<'a> {
    parts: &'a [Bytes],
    part: usize,
    at: usize,
    base: usize,
    body: &'a Frames,
}

impl<'a> Scanner<'a> {
    fn new(body: &'a Frames) -> Self {
        Self { parts: body.parts(), part: 0, at: 0, base: 0, body }
    }

    fn offset(&self) -> usize {
        self.base + self.at
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

    fn object(&mut self) -> Result<Outline, Malformed> {
        if self.skip_space() != Some(b'{') {
            return Err(self.unexpected("a JSON object"));
        }
        self.at += 1;
        let mut outline = Outline { entries: Vec::with_capacity(12), open: self.offset() };
        if self.skip_space() == Some(b'}') {
            self.at += 1;
            return Ok(outline);
        }
        loop {
            let entry = self.entry()?;
            if outline.get(&entry.key).is_some() {
                return Err(Malformed::field(&entry.key, "the key is there twice"));
            }
            outline.entries.push(entry);
            match self.skip_space() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(outline);
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
                joined = self.body.slice(span.start, span.end);
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
        match serde_json::from_slice::<IgnoredAny>(&self.body.slice(span.start, span.end)) {
            Ok(_) => Ok(span),
            Err(_) => Err(Malformed::new(&format!("the value at byte {start} is not valid JSON"))),
        }
    }

    fn expect_end(&mut self) -> Result<(), Malformed> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the body")),
        }
    }
}
