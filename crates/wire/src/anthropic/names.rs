//! Names and ids as the API takes them: `^[a-zA-Z0-9_-]{1,128}$`.

use std::borrow::Cow;

use crate::chat::{ChatRequest, Tool};

const LONGEST: usize = 128;

/// The names of a request's tools, as sent.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// (name sent, name of the client's).
    renamed: Vec<(String, String)>,
    taken: Vec<String>,
}

impl Names {
    pub(super) fn new(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        let functions =
            || request.tools.iter().filter_map(|tool| if let Tool::Function(function) = tool { Some(&function.name) } else { None });
        names.taken.extend(functions().filter(|name| is_valid(name)).cloned());
        for name in functions() {
            names.sent(name);
        }
        names
    }

    /// How that tool is called on the wire.
    pub(super) fn sent<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if is_valid(name) {
            return Cow::Borrowed(name);
        }
        if let Some((sent, _)) = self.renamed.iter().find(|(_, client)| client == name) {
            return Cow::Owned(sent.clone());
        }
        let sent = self.free(&plain(name));
        self.renamed.push((sent.clone(), name.to_owned()));
        Cow::Owned(sent)
    }

    /// A name like that one which no tool has.
    pub(super) fn free(&mut self, like: &str) -> String {
        let mut name: String = like.chars().take(LONGEST).collect();
        let mut count = 1;
        while self.taken.contains(&name) {
            count += 1;
            let suffix = format!("_{count}");
            name = like.chars().take(LONGEST - suffix.len()).collect::<String>() + &suffix;
        }
        self.taken.push(name.clone());
        name
    }

    pub(super) fn into_renamed(self) -> Vec<(String, String)> {
        self.renamed
    }
}

/// A call's id as the API takes it; call and result change alike.
pub(super) fn id(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.bytes().all(is_plain) { Cow::Borrowed(id) } else { Cow::Owned(plain(id)) }
}

fn is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn plain(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_ascii() && is_plain(letter as u8) { letter } else { '_' }).collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
}
