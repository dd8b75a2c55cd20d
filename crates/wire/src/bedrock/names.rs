//! Names and ids in the alphabets of the API.

use std::borrow::Cow;

use crate::chat::ChatRequest;
use crate::pen::{self, is_word, plain, unused};

const LONGEST: usize = 64;

/// The names of a request's tools and documents, as sent.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) tools: pen::Names,
    documents: Vec<String>,
}

impl Names {
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self { tools: pen::Names::new(request, LONGEST), documents: Vec::new() }
    }

    /// How that document is called on the wire: letters, digits, single spaces, hyphens, parentheses and brackets; no name twice.
    pub(super) fn document(&mut self, name: Option<&str>) -> String {
        let keep = |letter: char| letter.is_ascii_alphanumeric() || "-()[] ".contains(letter);
        let stem = name.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem }));
        let clean: String = stem.unwrap_or_default().chars().map(|letter| if keep(letter) { letter } else { ' ' }).collect();
        let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = unused(if clean.is_empty() { "document" } else { &clean }, " ", 200, &self.documents);
        self.documents.push(name.clone());
        name
    }
}

/// A call's id as the API takes it; call and result change alike. What is cut off is replaced by a checksum, so that two long ids
/// stay two.
pub(super) fn id(id: &str) -> Cow<'_, str> {
    let is_valid = !id.is_empty() && id.len() <= LONGEST && id.chars().all(is_id);
    if is_valid {
        return Cow::Borrowed(id);
    }
    let plain = plain(id, is_id);
    if plain.len() <= LONGEST {
        return Cow::Owned(plain);
    }
    let checksum = crc32fast::hash(id.as_bytes());
    Cow::Owned(format!("{}_{checksum:08x}", &plain[..LONGEST - 9]))
}

fn is_id(letter: char) -> bool {
    is_word(letter) || letter == '.' || letter == ':'
}

/// The model as one segment of a path: ARNs hold `/` and `:`. An id that is encoded already stays as it is.
pub(super) fn path_segment(model: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if model.bytes().all(plain) || model.contains("%3A") || model.contains("%2F") {
        return Cow::Borrowed(model);
    }
    let mut segment = String::with_capacity(model.len() + 16);
    for byte in model.bytes() {
        if plain(byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(segment)
}
