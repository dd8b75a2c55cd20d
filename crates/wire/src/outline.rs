//! One JSON object, one level deep, found in frames that are never joined.
//!
//! The scan checks what a gateway must not leave to chance: valid UTF-8, bounded depth, balanced brackets, and no key twice at the
//! top level. Two parsers that disagree on which of two `model` keys counts would be a way around an allow-list; there are some to
//! whom `Model` is one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::frames::Frames;
use crate::problem::Malformed;

mod path;
mod scanner;
#[cfg(test)]
mod tests;

use scanner::{Scanner, check_utf8};

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
    holds_ours: bool,
}

/// What must change in a request for its target, as data. Applied to bytes, translated or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Keys that get this JSON value, whether or not the client sent them.
    pub set: Vec<(String, String)>,
    /// The same, but where both are objects the fields of this one are laid over those of the other.
    pub lay: Vec<(String, String)>,
    /// Keys that get this JSON value where the client did not send them.
    pub default: Vec<(String, String)>,
    /// Keys that are written under another name; left out where that name is there already.
    pub rename: Vec<(String, String)>,
    /// Keys that are left out, and paths to what is left out below one (`a.b`, `a[0].b`, `a[*].b`).
    pub remove: Vec<String>,
    /// Keys that are left out because the target does not take them, which is a loss to the caller.
    pub lose: Vec<String>,
}

impl Edits {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        [&self.set, &self.lay, &self.default, &self.rename].into_iter().all(Vec::is_empty) && self.remove.is_empty() && self.lose.is_empty()
    }

    /// What stands under that key, where that is said of it; `None`: nothing is to change.
    fn value(&self, key: &str, said: Option<&dyn Fn() -> String>) -> Option<String> {
        let named = |list: &[(String, String)]| list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        if let Some(value) = named(&self.set) {
            return Some(value);
        }
        let mut laid = self.lay.iter().filter(|(name, _)| name == key).map(|(_, value)| value).peekable();
        match (laid.peek().is_some(), said) {
            (true, Some(said)) => Some(laid.fold(said(), |under, over| laid_over(&under, over))),
            (true, None) => named(&self.default).into_iter().chain(laid.cloned()).reduce(|under, over| laid_over(&under, &over)),
            (false, Some(_)) => None,
            (false, None) => named(&self.default),
        }
    }

    /// That value of a key without what is left out below it; `None`: nothing is.
    fn pruned(&self, key: &str, value: impl Fn() -> String) -> Option<String> {
        let mut paths = self.remove.iter().filter_map(|removed| path::below(removed, key)).peekable();
        paths.peek().is_some().then(|| paths.fold(value(), |json, path| path::without(&json, path).unwrap_or(json)))
    }

    fn removes(&self, key: &str) -> bool {
        self.remove.iter().chain(&self.lose).any(|removed| removed == key)
    }
}

impl Outline {
    /// Finds the top-level keys of the object in `body`.
    pub fn scan(body: &Frames) -> Result<Self, Malformed> {
        check_utf8(body)?;
        match body.parts() {
            [one] => Self::over(&[one]),
            several => Self::over(&several.iter().map(|part| &part[..]).collect::<Vec<_>>()),
        }
    }

    /// The same of a text in one piece.
    pub fn of_text(text: &str) -> Result<Self, Malformed> {
        Self::over(&[text.as_bytes()])
    }

    fn over(parts: &[&[u8]]) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(parts);
        let outline = scanner.object()?;
        scanner.expect_end()?;
        Ok(outline)
    }

    /// The keys and the places of their values, in the order written.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The same, given away.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The entry of that key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether something of this gateway's own may stand in the body: a seal or an id that no provider knows.
    pub fn holds_ours(&self) -> bool {
        self.holds_ours
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
            let renamed = edits.rename.iter().find(|(from, to)| *from == entry.key && self.get(to).is_none()).map(|(_, to)| to);
            if let Some(to) = renamed {
                patch.replace(entry.key_span, quoted(to));
            }
            let said = || String::from_utf8_lossy(&body.slice(entry.value.start, entry.value.end)).into_owned();
            let value = |key: &str| edits.value(key, Some(&said));
            let value = value(&entry.key).or_else(|| value(renamed?));
            let pruned = edits.pruned(renamed.map_or(&entry.key, String::as_str), || value.clone().unwrap_or_else(said));
            if let Some(value) = pruned.or(value) {
                patch.replace(entry.value, value);
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
        let kept = |key: &str| self.get(key).is_some_and(|entry| !edits.removes(&entry.key));
        let missing = |key: &str| !kept(key) && !edits.rename.iter().any(|(from, to)| to == key && kept(from));
        let mut written: Vec<&str> = Vec::new();
        for (key, _) in [&edits.set, &edits.lay, &edits.default].into_iter().flatten().filter(|(key, _)| missing(key)) {
            let Some(value) = edits.value(key, None).filter(|_| !written.contains(&key.as_str())) else { continue };
            let value = edits.pruned(key, || value.clone()).unwrap_or(value);
            written.push(key);
            let comma = if first { "" } else { "," };
            first = false;
            patch.insert(at, format!("{comma}{}:{value}", quoted(key)));
        }
    }
}

/// A JSON value over another: where both are objects, the fields of both.
fn laid_over(under: &str, over: &str) -> String {
    type Fields<'a> = BTreeMap<String, &'a RawValue>;
    let both = (serde_json::from_str::<Fields<'_>>(under), serde_json::from_str::<Fields<'_>>(over));
    let (Ok(mut fields), Ok(others)) = both else { return over.to_owned() };
    fields.extend(others);
    serde_json::to_string(&fields).unwrap_or_else(|_| over.to_owned())
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
