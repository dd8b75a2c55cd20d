//! One pass over a text that begins with a bracket, writing the JSON it means.

use serde::de::IgnoredAny;

/// Words for yes, no and nothing, Python's among them.
const WORDS: [&str; 6] = ["true", "false", "null", "True", "False", "None"];

/// No JSON could be made of it.
#[derive(Debug)]
pub(super) struct Lost {
    /// Whether it had begun like some.
    pub(super) begun: bool,
}

/// How many bytes of the text it stands in, and the JSON.
pub(super) fn mended(text: &str) -> Result<(usize, String), Lost> {
    let mut mender = Mender { rest: text, out: String::with_capacity(text.len() + 8), open: Vec::new(), begun: false };
    match mender.mend() {
        Some(()) => Ok((text.len() - mender.rest.len(), mender.out)),
        None => Err(Lost { begun: mender.begun }),
    }
}

/// What may come next in an object or a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A name, or the end.
    Name,
    /// A value, or the end.
    Item,
    /// The value of a name that stands from there in what is written.
    Value(usize),
    /// A comma, or the end.
    Comma,
}

/// An object or a list that has not ended.
struct Level {
    is_object: bool,
    next: Next,
}

impl Level {
    fn member(&self) -> Next {
        if self.is_object { Next::Name } else { Next::Item }
    }

    fn end(&self) -> char {
        if self.is_object { '}' } else { ']' }
    }
}

struct Mender<'a> {
    rest: &'a str,
    out: String,
    open: Vec<Level>,
    /// Whether a name or an item was met.
    begun: bool,
}

impl Mender<'_> {
    fn mend(&mut self) -> Option<()> {
        loop {
            self.blank();
            // A fence ends what is within.
            let Some(first) = self.rest.chars().next().filter(|_| !self.rest.starts_with("```")) else { return self.cut_short() };
            match (first, self.open.last().map(|level| level.next)) {
                ('{' | '[', None | Some(Next::Item | Next::Value(_))) => self.open(first),
                ('}' | ']', Some(_)) => {
                    self.close(first)?;
                    if self.open.is_empty() {
                        return Some(());
                    }
                }
                (',', Some(Next::Comma)) => {
                    self.copy(1);
                    self.comes_member();
                }
                // One is missing.
                (_, Some(Next::Comma)) => {
                    let end = self.out.trim_end().len();
                    self.out.insert(end, ',');
                    self.comes_member();
                }
                (_, Some(Next::Name)) => self.name()?,
                (_, Some(Next::Item | Next::Value(_))) => self.scalar()?,
                (_, None) => return None,
            }
        }
    }

    fn copy(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self) {
        let length = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.copy(length);
    }

    fn comes(&mut self, next: Next) {
        if let Some(level) = self.open.last_mut() {
            level.next = next;
        }
    }

    fn comes_member(&mut self) {
        if let Some(level) = self.open.last_mut() {
            level.next = level.member();
        }
    }

    fn open(&mut self, bracket: char) {
        self.begun |= !self.open.is_empty();
        self.comes(Next::Comma);
        let is_object = bracket == '{';
        self.copy(1);
        self.open.push(Level { is_object, next: if is_object { Next::Name } else { Next::Item } });
    }

    /// Ends everything up to the level that this bracket ends.
    fn close(&mut self, bracket: char) -> Option<()> {
        let at = self.open.iter().rposition(|level| level.end() == bracket)?;
        while self.open.len() > at {
            let level = self.open.pop()?;
            if matches!(level.next, Next::Value(_)) {
                return None;
            }
            self.drop_comma();
            if self.open.len() > at {
                self.out.push(level.end());
            }
        }
        self.copy(1);
        Some(())
    }

    /// Ends everything, where the text has ended too early.
    fn cut_short(&mut self) -> Option<()> {
        while let Some(level) = self.open.pop() {
            if let Next::Value(name) = level.next {
                self.out.truncate(name);
            }
            self.out.truncate(self.out.trim_end().len());
            self.drop_comma();
            self.out.push(level.end());
        }
        self.begun.then_some(())
    }

    /// Takes away a comma that nothing follows.
    fn drop_comma(&mut self) {
        let end = self.out.trim_end().len();
        if self.out[..end].ends_with(',') {
            self.out.remove(end - 1);
        }
    }

    /// A name and its colon. One that was cut off is left out.
    fn name(&mut self) -> Option<()> {
        let start = self.out.len();
        if self.rest.starts_with(['"', '\'']) {
            self.string();
        } else {
            let length =
                self.rest.find(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '$' | '-'))).unwrap_or(self.rest.len());
            if length == 0 {
                return None;
            }
            self.out.push('"');
            self.copy(length);
            self.out.push('"');
        }
        self.blank();
        if self.rest.is_empty() {
            self.out.truncate(start);
            return Some(());
        }
        if !self.rest.starts_with(':') {
            return None;
        }
        self.copy(1);
        self.begun = true;
        self.comes(Next::Value(start));
        Some(())
    }

    /// A string, a number, or a word for nothing, yes or no. A word that was cut off is left out.
    fn scalar(&mut self) -> Option<()> {
        if self.rest.starts_with(['"', '\'']) {
            self.string();
        } else {
            let length = self.rest.find(|char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char))).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(length);
            let word = match word {
                "True" => "true",
                "False" => "false",
                "None" => "null",
                word => word,
            };
            let is_known = serde_json::from_str::<IgnoredAny>(word).is_ok();
            let is_part =
                || word.starts_with(|char: char| char == '-' || char.is_ascii_digit()) || WORDS.iter().any(|known| known.starts_with(word));
            if !(is_known || rest.is_empty() && is_part()) {
                return None;
            }
            self.rest = rest;
            if !is_known {
                return Some(());
            }
            self.out.push_str(word);
        }
        self.begun = true;
        self.comes(Next::Comma);
        Some(())
    }

    /// A string in either kind of quotes, up to the end of the text where it has none.
    fn string(&mut self) {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        self.out.push('"');
        while let Some(char) = chars.next() {
            match char {
                _ if Some(char) == quote => break,
                '\\' => {
                    let length = escape(chars.as_str(), &mut self.out);
                    chars = chars.as_str()[length..].chars();
                }
                '"' => self.out.push_str("\\\""),
                char if char < ' ' => push_control(char, &mut self.out),
                char => self.out.push(char),
            }
        }
        self.out.push('"');
        self.rest = chars.as_str();
    }
}

/// Writes the escape that stands there behind its backslash, and says how many bytes it is long: none, where the backslash is
/// plain text.
fn escape(behind: &str, out: &mut String) -> usize {
    let is_code = |code: &str| code.bytes().all(|digit| digit.is_ascii_hexdigit());
    match behind.as_bytes() {
        [b'\'', ..] => {
            out.push('\'');
            1
        }
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {
            out.push('\\');
            out.push_str(&behind[..1]);
            1
        }
        [b'u', ..] if behind.get(1..5).is_some_and(is_code) => {
            out.push('\\');
            out.push_str(&behind[..5]);
            5
        }
        // Cut off: nothing is left of it.
        [] => 0,
        [b'u', code @ ..] if code.len() < 4 && code.iter().all(u8::is_ascii_hexdigit) => behind.len(),
        _ => {
            out.push_str("\\\\");
            0
        }
    }
}

fn push_control(char: char, out: &mut String) {
    match char {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        other => out.push_str(&format!("\\u{:04x}", u32::from(other))),
    }
}
