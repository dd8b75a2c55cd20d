//! Names and ids in the alphabets of the API.

use std::borrow::Cow;

use crate::chat::{ChatRequest, Tool};

const LONGEST: usize = 64;

/// The names of a request's tools and documents, as sent.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// (name sent, name of the client's).
    renamed: Vec<(String, String)>,
    taken: Vec<String>,
    documents: Vec<String>,
}

impl Names {
    pub(super) fn new(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        let functions = || {
            request.tools.iter().filter_map(|tool| match tool {
                Tool::Function(function) => Some(&function.name),
                Tool::Custom { .. } | Tool::Hosted(_) => None,
            })
        };
        names.taken.extend(functions().filter(|name| is_valid(name)).cloned());
        for name in functions() {
            names.tool(name);
        }
        names
    }

    /// How that tool is called on the wire.
    pub(super) fn tool<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if is_valid(name) {
            return Cow::Borrowed(name);
        }
        if let Some((sent, _)) = self.renamed.iter().find(|(_, client)| client == name) {
            return Cow::Owned(sent.clone());
        }
        let sent = self.free(&plain(name, is_word));
        self.renamed.push((sent.clone(), name.to_owned()));
        Cow::Owned(sent)
    }

    /// A name like that one which no tool has.
    pub(super) fn free(&mut self, like: &str) -> String {
        let name = unused(like, "_", LONGEST, &self.taken);
        self.taken.push(name.clone());
        name
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

    pub(super) fn into_renamed(self) -> Vec<(String, String)> {
        self.renamed
    }
}

fn unused(like: &str, between: &str, longest: usize, taken: &[String]) -> String {
    let mut name: String = like.chars().take(longest).collect();
    let mut count = 1;
    while taken.contains(&name) {
        count += 1;
        let suffix = format!("{between}{count}");
        name = like.chars().take(longest - suffix.len()).collect::<String>() + &suffix;
    }
    name
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

fn is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

fn is_id(letter: char) -> bool {
    is_word(letter) || letter == '.' || letter == ':'
}

fn plain(text: &str, keep: fn(char) -> bool) -> String {
    let plain: String = text.chars().map(|letter| if keep(letter) { letter } else { '_' }).collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
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
