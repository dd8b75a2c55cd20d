//! Names of tools as the target takes them: letters, digits, `_` and `-`, and no more of them than it allows.

use std::borrow::Cow;

use crate::chat::{ChatRequest, PartBody, Tool, ToolChoice};

/// The names of a request's tools, as sent.
#[derive(Debug)]
pub(crate) struct Names {
    longest: usize,
    /// (name sent, name of the client's).
    renamed: Vec<(String, String)>,
    taken: Vec<String>,
}

impl Names {
    /// The names of that request's functions, of that length at most.
    pub(crate) fn new(request: &ChatRequest, longest: usize) -> Self {
        let mut names = Self { longest, renamed: Vec::new(), taken: Vec::new() };
        let functions = || {
            request.tools.iter().filter_map(|tool| match tool {
                Tool::Function(function) => Some(&function.name),
                Tool::Custom { .. } | Tool::Hosted(_) => None,
            })
        };
        names.taken.extend(functions().filter(|name| is_valid(name, longest)).cloned());
        for name in functions() {
            names.tool(name);
        }
        names
    }

    /// How that tool is called on the wire.
    pub(crate) fn tool<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if is_valid(name, self.longest) {
            return Cow::Borrowed(name);
        }
        if let Some((sent, _)) = self.renamed.iter().find(|(_, client)| client == name) {
            return Cow::Owned(sent.clone());
        }
        let plain = plain(name, is_word);
        // What is cut off is replaced by a checksum: a name stays the same whatever other tools there are.
        let like = match plain.len() > self.longest {
            true => format!("{}_{:08x}", &plain[..self.longest - 9], crc32fast::hash(name.as_bytes())),
            false => plain,
        };
        let sent = self.free(&like);
        self.renamed.push((sent.clone(), name.to_owned()));
        Cow::Owned(sent)
    }

    /// A name like that one which no tool has.
    pub(crate) fn free(&mut self, like: &str) -> String {
        let name = unused(like, "_", self.longest, &self.taken);
        self.taken.push(name.clone());
        name
    }

    /// What the reader of the reply must turn back.
    pub(crate) fn into_renamed(self) -> Vec<(String, String)> {
        self.renamed
    }
}

/// The request with its tools in names of that length at most, and (name sent, name of the client's) of those that had to be changed;
/// `None` where all may stay.
pub(crate) fn renamed(request: &ChatRequest, longest: usize) -> Option<(ChatRequest, Vec<(String, String)>)> {
    if all(request).all(|name| is_valid(name, longest)) {
        return None;
    }
    let mut names = Names::new(request, longest);
    let mut renamed = request.clone();
    let mut rename = |name: &mut String| {
        if !is_valid(name, longest) {
            *name = names.tool(name).into_owned();
        }
    };
    for tool in &mut renamed.tools {
        match tool {
            Tool::Function(function) => rename(&mut function.name),
            Tool::Custom { name, .. } => rename(name),
            Tool::Hosted(_) => {}
        }
    }
    match &mut renamed.tool_choice {
        Some(ToolChoice::Tool(name)) => rename(name),
        Some(ToolChoice::Among(names, _)) => names.iter_mut().for_each(&mut rename),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => {}
    }
    for part in renamed.messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.body {
            PartBody::ToolCall(call) => rename(&mut call.name),
            PartBody::ToolResult(result) => result.name.iter_mut().for_each(&mut rename),
            _ => {}
        }
    }
    Some((renamed, names.into_renamed()))
}

/// The names of tools that are offered or were called; a choice and a result name one of these.
fn all(request: &ChatRequest) -> impl Iterator<Item = &String> {
    let offered = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => Some(&function.name),
        Tool::Custom { name, .. } => Some(name),
        Tool::Hosted(_) => None,
    });
    let called = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => Some(&call.name),
        _ => None,
    });
    offered.chain(called)
}

/// A name like that one, cut and numbered where it must be, which is not taken.
pub(crate) fn unused(like: &str, between: &str, longest: usize, taken: &[String]) -> String {
    let mut name: String = like.chars().take(longest).collect();
    let mut count = 1;
    while taken.contains(&name) {
        count += 1;
        let suffix = format!("{between}{count}");
        name = like.chars().take(longest - suffix.len()).collect::<String>() + &suffix;
    }
    name
}

/// The text with `_` in place of what is not to be kept; never empty.
pub(crate) fn plain(text: &str, keep: fn(char) -> bool) -> String {
    let plain: String = text.chars().map(|letter| if keep(letter) { letter } else { '_' }).collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
}

/// Whether a name may hold that letter.
pub(crate) fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

fn is_valid(name: &str, longest: usize) -> bool {
    !name.is_empty() && name.len() <= longest && name.chars().all(is_word)
}
