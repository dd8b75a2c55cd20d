//! From parser events to the tree.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::scalar;
use super::{Entry, Map, Node, Value};
use crate::config::diagnostic::{Diagnostic, Diagnostics, Location, Severity};

/// Bounds on what a file may unfold into.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Nesting of lists and maps.
    pub depth: usize,
    /// Nodes after aliases and merges are unfolded.
    pub nodes: usize,
}

impl Default for Limits {
    /// Generous for thousands of deployments, small enough to refuse a bomb within milliseconds.
    fn default() -> Limits {
        Limits { bytes: 8 << 20, depth: 64, nodes: 400_000 }
    }
}

/// Reads one YAML document. An empty file is [`Value::Null`]; warnings go to `found`.
pub fn parse(file: &Arc<str>, text: &[u8], limits: Limits, found: &mut Diagnostics) -> Result<Node, Diagnostic> {
    if text.len() > limits.bytes {
        let message = format!("the file is larger than {} bytes", limits.bytes);
        return Err(fatal(Location::whole(Arc::clone(file)), message, "split it with `include`"));
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = 1 + text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let at = Location { file: Arc::clone(file), line: clamp(line), column: 1 };
            return Err(fatal(at, "the file is not UTF-8".to_owned(), "save it as UTF-8"));
        }
    };
    let mut builder = Builder {
        file,
        parser: Parser::new_from_str(text),
        limits,
        nodes: 0,
        anchors: HashMap::new(),
        found,
        position: Marker::new(0, 1, 0),
    };
    builder.document()
}

struct Builder<'a> {
    file: &'a Arc<str>,
    parser: Parser<'a, StrInput<'a>>,
    limits: Limits,
    /// Nodes made so far, unfolded ones included.
    nodes: usize,
    /// Anchored nodes, each with the number of nodes in it.
    anchors: HashMap<usize, (Node, usize)>,
    found: &'a mut Diagnostics,
    /// Where the latest event started, for errors that have no place of their own.
    position: Marker,
}

type Built<T> = Result<T, Diagnostic>;

impl<'a> Builder<'a> {
    fn document(&mut self) -> Built<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    let at = self.place(span);
                    return Err(fatal(at, "a second document starts here".into(), "keep one document per file"));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                Event::StreamEnd => break,
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => return Err(self.lost(span)),
            }
        }
        Ok(root.unwrap_or_else(|| Node::new(Value::Null, Location::whole(Arc::clone(self.file)))))
    }

    fn next(&mut self) -> Built<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.position = span.start;
                Ok((event, span))
            }
            Some(Err(error)) => {
                let at = self.locate(*error.marker());
                let hint = "check the indentation, quotes and colons just above";
                Err(fatal(at, format!("this is not YAML: {}", error.info()), hint))
            }
            None => Err(fatal(self.locate(self.position), "the file ends too early".into(), "")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Built<Node> {
        let at = self.place(span);
        if depth > self.limits.depth {
            let message = format!("nested deeper than {} levels", self.limits.depth);
            return Err(fatal(at, message, "flatten this part"));
        }
        self.count(1, &at)?;
        let before = self.nodes;
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.unfold(anchor, &at),
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), &at)?, anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.lost(span)),
        };
        let node = Node::new(value, at);
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), 1 + self.nodes - before));
        }
        Ok(node)
    }

    /// A copy of the anchored node. An alias inside its own anchor finds nothing, so cycles cannot form.
    fn unfold(&mut self, anchor: usize, at: &Location) -> Built<Node> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(fatal(at.clone(), "this alias points into itself".into(), "name an anchor that is complete"));
        };
        let (mut node, weight) = (node.clone(), *weight);
        self.count(weight, at)?;
        node.at = at.clone();
        Ok(node)
    }

    fn count(&mut self, more: usize, at: &Location) -> Built<()> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > self.limits.nodes {
            let message = format!("the file unfolds into more than {} values", self.limits.nodes);
            return Err(fatal(at.clone(), message, "use fewer aliases"));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Built<Value> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Built<Value> {
        let mut own = Keys::default();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let at = self.place(span);
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            if is_merge {
                merged.extend(merge_sources(node)?);
                continue;
            }
            let name = key_text(&key)?;
            if let Some(earlier) = own.insert(Entry { name: name.clone(), at: at.clone(), node }) {
                let message = format!("`{name}` is written twice; this one counts");
                self.found.warn(&at, message, format!("remove the one at {}", earlier.at));
            }
        }
        self.merge(own, merged)
    }

    /// Own keys win over merged ones, and earlier merge sources over later ones.
    fn merge(&mut self, mut own: Keys, sources: Vec<Map>) -> Built<Value> {
        for entry in sources.into_iter().flat_map(|source| source.entries) {
            let at = entry.at.clone();
            if own.add_if_absent(entry) {
                self.count(1, &at)?;
            }
        }
        Ok(Value::Map(Map { entries: own.entries }))
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: &Location) -> Built<Value> {
        let text_value = || Value::Text(text.to_owned());
        let Some(tag) = tag else {
            return Ok(if style == ScalarStyle::Plain { scalar::resolve(text) } else { text_value() });
        };
        let wrong = |what: &str| fatal(at.clone(), format!("tagged as {what}, but it is not"), "remove the tag");
        match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str" | "timestamp" | "binary") => Ok(text_value()),
            (true, "null") => Ok(Value::Null),
            (true, "bool") => scalar::boolean(text).map(Value::Bool).ok_or_else(|| wrong("a boolean")),
            (true, "int" | "float") => scalar::number(text).map(Value::Number).ok_or_else(|| wrong("a number")),
            _ if tag.handle.is_empty() && tag.suffix == "!" => Ok(text_value()),
            _ => Err(fatal(at.clone(), "this YAML tag is not known".into(), "remove the tag")),
        }
    }

    fn lost(&self, span: Span) -> Diagnostic {
        fatal(self.place(span), "the YAML structure ends unexpectedly here".into(), "check the indentation")
    }

    fn place(&self, span: Span) -> Location {
        self.locate(span.start)
    }

    fn locate(&self, mark: Marker) -> Location {
        Location { file: Arc::clone(self.file), line: clamp(mark.line()), column: clamp(mark.col() + 1) }
    }
}

/// Entries with an index, so that a map with many keys is not read in quadratic time.
#[derive(Default)]
struct Keys {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Keys {
    fn insert(&mut self, entry: Entry) -> Option<Entry> {
        match self.index.get(&entry.name).and_then(|index| self.entries.get_mut(*index)) {
            Some(present) => Some(std::mem::replace(present, entry)),
            None => {
                self.index.insert(entry.name.clone(), self.entries.len());
                self.entries.push(entry);
                None
            }
        }
    }

    fn add_if_absent(&mut self, entry: Entry) -> bool {
        let absent = !self.index.contains_key(&entry.name);
        if absent {
            self.insert(entry);
        }
        absent
    }
}

fn merge_sources(node: Node) -> Built<Vec<Map>> {
    let at = node.at.clone();
    let wrong = || fatal(at.clone(), "`<<` needs a map or a list of maps".into(), "point it at an anchored map");
    match node.value {
        Value::Map(map) => Ok(vec![map]),
        Value::List(items) => items
            .into_iter()
            .map(|item| match item.value {
                Value::Map(map) => Ok(map),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Unset => Err(wrong()),
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Unset => Err(wrong()),
    }
}

fn key_text(key: &Node) -> Built<String> {
    match &key.value {
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Ok("null".to_owned()),
        Value::List(_) | Value::Map(_) | Value::Unset => Err(fatal(key.at.clone(), "a key must be text".into(), "write `name: value`")),
    }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn fatal(at: Location, message: String, hint: &str) -> Diagnostic {
    let hint = Some(hint.to_owned()).filter(|text| !text.is_empty());
    Diagnostic { severity: Severity::Error, at, message, hint }
}
