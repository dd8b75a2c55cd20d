//! Blocks of a stream that have begun and not ended.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::HERE;
use super::read_blocks::{hosted, read_block, read_citation};
use super::reply::is_input;
use crate::chat::{Cited, PartBody, Thought};
use crate::event::{BlockKind, Delta, Event};
use crate::fields::Fields;
use crate::half::Memo;
use crate::json;
use crate::lenient::or_default;
use crate::openai_chat::text::Text;
use crate::problem::Malformed;
use crate::seal::{ANTHROPIC, SealKind, Sealed};

/// A block under way.
pub(super) enum Open {
    /// Text.
    Text { block: u32, cited: Cited },
    /// A thought.
    Thought { block: u32 },
    /// A call of a tool of the client's. `input` is what its beginning says, which pieces replace.
    Call { block: u32, input: String, pieces: bool },
    /// The call that stands for a JSON answer.
    JsonAnswer { block: u32, input: String, pieces: bool },
    /// Anything else: collected, and told whole at its end.
    Hosted { block: u32, start: Box<RawValue>, pieces: Pieces },
}

/// What the deltas of a collected block add to its fields.
#[derive(Default)]
pub(super) struct Pieces {
    input: String,
    texts: Vec<(String, String)>,
    values: Vec<(String, Box<RawValue>)>,
}

/// A delta of a block or of the message. Plain text takes this one pass; what else it holds is read from the payload again.
#[derive(Deserialize)]
pub(super) struct ChunkDelta<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) text: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) thinking: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) partial_json: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) signature: String,
    #[serde(borrow)]
    pub(super) citation: Option<&'a RawValue>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    #[serde(borrow)]
    pub(super) stop_details: Option<&'a RawValue>,
}

impl Open {
    /// Reads how a block begins and tells of it.
    pub(super) fn read(block: u32, raw: &RawValue, memo: &Memo, out: &mut Vec<Event>) -> Result<Self, Malformed> {
        let part = read_block(raw).map_err(|error| error.within("content_block"))?;
        let delta = |delta: Delta| Event::BlockDelta { block, delta };
        let begin = |kind: BlockKind| Event::BlockStart { block, kind };
        Ok(match part.body {
            PartBody::Text { text, citations } => {
                out.push(begin(BlockKind::Text));
                let mut cited = Cited::default();
                cited.say(&text);
                citations.into_iter().for_each(|citation| cited.cite(citation));
                out.extend((!text.is_empty()).then(|| delta(Delta::Text(text))));
                Open::Text { block, cited }
            }
            PartBody::Reasoning(Thought { id, text, seal, .. }) => {
                out.push(begin(BlockKind::Reasoning { id, summary: false }));
                out.extend((!text.is_empty()).then(|| delta(Delta::Text(text))));
                out.extend(seal.map(|seal| delta(Delta::Seal(by(memo, seal)))));
                Open::Thought { block }
            }
            PartBody::ToolCall(call) if memo.json_tool.as_deref() == Some(&call.name) => {
                out.push(begin(BlockKind::Text));
                Open::JsonAnswer { block, input: call.arguments, pieces: false }
            }
            PartBody::ToolCall(call) => {
                let renamed = memo.renamed.iter().find(|(sent, _)| *sent == call.name);
                let name = renamed.map_or(call.name, |(_, name)| name.clone());
                out.push(begin(BlockKind::ToolCall { id: call.id, name, custom: false, namespace: None }));
                out.extend(call.seal.map(|seal| delta(Delta::Seal(seal))));
                Open::Call { block, input: call.arguments, pieces: false }
            }
            _ => Open::Hosted { block, start: raw.to_owned(), pieces: Pieces::default() },
        })
    }

    /// Adds what a delta says. Whether it was understood.
    pub(super) fn extend(&mut self, delta: ChunkDelta<'_>, payload: &[u8], memo: &Memo, out: &mut Vec<Event>) -> Result<bool, Malformed> {
        let kind = delta.kind.as_ref().map_or("", |kind| &kind.0);
        let (block, delta) = match (self, kind) {
            (Open::Text { block, cited }, "text_delta") => {
                cited.say(&delta.text);
                (*block, Delta::Text(delta.text))
            }
            (Open::Text { cited, .. }, "citations_delta") => {
                let raw = delta.citation.ok_or_else(|| Malformed::field("delta.citation", "is missing"))?;
                cited.cite(read_citation(raw)?);
                return Ok(true);
            }
            (Open::Thought { block }, "thinking_delta") => (*block, Delta::Text(delta.thinking)),
            (Open::Thought { block }, "signature_delta") if delta.signature.is_empty() => return Ok(true),
            (Open::Thought { block }, "signature_delta") => {
                let (seal, _) = Sealed::from_token(ANTHROPIC, SealKind::Signature, &delta.signature);
                (*block, Delta::Seal(by(memo, seal)))
            }
            (Open::Call { block, .. }, "signature_delta") => {
                (*block, Delta::Seal(Sealed::from_token(ANTHROPIC, SealKind::Signature, &delta.signature).0))
            }
            (Open::Call { .. } | Open::JsonAnswer { .. }, "input_json_delta") if delta.partial_json.is_empty() => return Ok(true),
            (Open::Call { block, pieces, .. }, "input_json_delta") => {
                *pieces = true;
                (*block, Delta::Arguments(delta.partial_json))
            }
            (Open::JsonAnswer { block, pieces, .. }, "input_json_delta") => {
                *pieces = true;
                (*block, Delta::Text(delta.partial_json))
            }
            (Open::Hosted { pieces, .. }, "input_json_delta") => {
                pieces.input.push_str(&delta.partial_json);
                return Ok(true);
            }
            (Open::Hosted { pieces, .. }, _) => return pieces.add(payload).map(|()| true),
            _ => return Ok(false),
        };
        out.push(Event::BlockDelta { block, delta });
        Ok(true)
    }

    /// Tells of the block's end.
    pub(super) fn close(self, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let block = match self {
            Open::Text { block, cited } => {
                out.extend(cited.whole().map(|citation| Event::BlockDelta { block, delta: Delta::Citation(Box::new(citation)) }));
                block
            }
            Open::Thought { block } => block,
            Open::Call { block, input, pieces } => {
                if !pieces {
                    let arguments = if is_input(&input) { input } else { "{}".to_owned() };
                    out.push(Event::BlockDelta { block, delta: Delta::Arguments(arguments) });
                }
                block
            }
            Open::JsonAnswer { block, input, pieces } => {
                if !pieces {
                    out.push(Event::BlockDelta { block, delta: Delta::Text(input) });
                }
                block
            }
            Open::Hosted { block, start, pieces } => {
                let raw = pieces.join(&start)?;
                let mut fields = Fields::nested(&raw)?;
                let kind: String = fields.require("type")?;
                if let PartBody::Hosted(item) = hosted(&raw, kind).body {
                    out.push(Event::BlockStart { block, kind: BlockKind::Hosted(Box::new(item)) });
                }
                block
            }
        };
        out.push(Event::BlockEnd { block });
        Ok(())
    }
}

/// The seal, as the vendor of this model made it. A token names its vendor itself.
fn by(memo: &Memo, mut seal: Sealed) -> Sealed {
    if let Some(vendor) = memo.vendor.as_ref().filter(|_| seal.vendor == ANTHROPIC) {
        seal.vendor = vendor.clone().into();
    }
    seal
}

impl Pieces {
    /// Adds a delta of a kind that is not known: texts go on, anything else replaces.
    fn add(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        #[derive(serde::Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            delta: &'a RawValue,
        }
        let wire: Wire<'_> = serde_json::from_slice(payload).map_err(|error| Malformed::new(&error.to_string()))?;
        let mut delta = Fields::nested(wire.delta)?;
        delta.take_raw("type");
        for (key, value) in delta.rest(HERE).fields() {
            match serde_json::from_str::<String>(value.get()) {
                Ok(more) => match self.texts.iter_mut().find(|(known, _)| known == key) {
                    Some((_, text)) => text.push_str(&more),
                    None => self.texts.push((key.clone(), more)),
                },
                Err(_) => {
                    self.values.retain(|(known, _)| known != key);
                    self.values.push((key.clone(), value.clone()));
                }
            }
        }
        Ok(())
    }

    /// The whole block.
    fn join(self, start: &RawValue) -> Result<Box<RawValue>, Malformed> {
        if self.input.is_empty() && self.texts.is_empty() && self.values.is_empty() {
            return Ok(start.to_owned());
        }
        let input = json::raw(&self.input);
        let fields = Fields::nested(start)?.rest(HERE);
        let text_of = |key: &str| self.texts.iter().find(|(known, _)| known == key).map(|(_, text)| text);
        let value_of = |key: &str| self.values.iter().find(|(known, _)| known == key).map(|(_, value)| value.get());
        let has = |key: &str| fields.fields().iter().any(|(known, _)| known == key);
        let bytes = json::object(|out| {
            for (key, value) in fields.fields() {
                match (text_of(key), value_of(key), &input) {
                    (_, _, Some(input)) if key == "input" => out.raw(key, input.get()),
                    (Some(more), _, _) => {
                        let first: String = serde_json::from_str(value.get()).unwrap_or_default();
                        out.field(key, &(first + more));
                    }
                    (None, Some(newer), _) => out.raw(key, newer),
                    (None, None, _) => out.raw(key, value.get()),
                }
            }
            for (key, text) in self.texts.iter().filter(|(key, _)| !has(key)) {
                out.field(key, text);
            }
            for (key, value) in self.values.iter().filter(|(key, _)| !has(key) && text_of(key).is_none()) {
                out.raw(key, value.get());
            }
        });
        serde_json::from_slice(&bytes).map_err(|error| Malformed::new(&error.to_string()))
    }
}
