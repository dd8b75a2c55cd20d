//! The three places where this format's dialects keep thoughts, read and written.
//!
//! `reasoning_details` (OpenRouter) names the vendor in `format`; `thinking_blocks` (LiteLLM) are Anthropic's, a foreign seal
//! stands there as a token; `reasoning_content` and `reasoning` are plain text.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{Text, count, word};
use crate::chat::{Part, PartBody, Thought};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::json::{Array, Object};
use crate::problem::Malformed;
use crate::seal::{ANTHROPIC, GOOGLE, OPENAI, SealKind, Sealed};

/// OpenRouter's field.
pub(super) const DETAILS: &str = "reasoning_details";

/// The fields, the richest first.
pub(super) const FIELDS: [&str; 4] = [DETAILS, "thinking_blocks", "reasoning_content", "reasoning"];

/// One item of `reasoning_details`.
#[derive(Debug, Deserialize)]
pub(super) struct Detail<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) summary: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
}

impl Detail<'_> {
    /// The item's id.
    pub(super) fn id(&self) -> Option<String> {
        word(self.id)
    }

    /// Whether it can only be the seal of a call: Google's thoughts have none of their own.
    pub(super) fn is_of_call(&self) -> bool {
        let google = || vendor_of(word(self.format).as_deref(), None) == GOOGLE;
        self.data.is_some() && self.visible().is_none() && self.id().is_some() && google()
    }

    /// The item's place.
    pub(super) fn index(&self) -> Option<u64> {
        count(self.index)
    }

    /// What is visible of it, and whether that is a summary.
    pub(super) fn visible(&self) -> Option<(&str, bool)> {
        let summary = self.summary.as_ref().map(|summary| (&*summary.0, true));
        self.text.as_ref().map(|text| (&*text.0, false)).or(summary)
    }

    /// Its seal.
    pub(super) fn seal(&self, vendor: Option<&str>) -> Option<Sealed> {
        let found = self.data.as_ref().map(|data| (data, SealKind::Encrypted));
        let (bytes, kind) = found.or_else(|| self.signature.as_ref().map(|signature| (signature, SealKind::Signature)))?;
        if bytes.0.is_empty() {
            return None;
        }
        let vendor = vendor_of(word(self.format).as_deref(), vendor);
        Some(Sealed { vendor: vendor.into(), kind, bytes: bytes.0.clone().into_owned() })
    }
}

/// One item of `thinking_blocks`.
#[derive(Debug, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    signature: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
}

impl Block<'_> {
    /// Its seal, and the item's id where a token carried one.
    pub(super) fn seal(&self) -> Option<(Sealed, Option<String>)> {
        let signature = self.signature.as_ref().map(|text| (text, SealKind::Signature));
        let (text, kind) = signature.or_else(|| self.data.as_ref().map(|text| (text, SealKind::Encrypted)))?;
        (!text.0.is_empty()).then(|| Sealed::from_token(ANTHROPIC, kind, &text.0))
    }
}

/// Thoughts of one message.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    /// In order.
    pub(super) parts: Vec<Part>,
    /// Encrypted items that carry an id: seals of the tool call of that id, where there is one.
    pub(super) by_id: Vec<(String, usize)>,
    /// `reasoning_details` as sent.
    pub(super) details: Option<String>,
}

/// Takes the thoughts out of a message.
pub(super) fn take(fields: &mut Fields<'_>, vendor: Option<&str>) -> Result<Thoughts, Malformed> {
    let sent = fields.take_raw("reasoning_details");
    let details: Option<Vec<Detail<'_>>> = sent.map_or(Ok(None), |raw| {
        serde_json::from_str(raw.get()).map_err(|error| Malformed::field("reasoning_details", &error.to_string()))
    })?;
    let blocks: Option<Vec<Block<'_>>> = fields.take("thinking_blocks")?;
    let content = take_plain(fields, "reasoning_content")?;
    let plain = take_plain(fields, "reasoning")?;
    let (details, blocks) = (details.filter(|list| !list.is_empty()), blocks.filter(|list| !list.is_empty()));
    let there = [details.is_some(), blocks.is_some(), content.is_some(), plain.is_some()];
    let spelled: Vec<&str> = FIELDS.into_iter().zip(there).filter(|(_, there)| *there).map(|(name, _)| name).collect();
    let text = content.or(plain).unwrap_or_default();
    let mut thoughts = Thoughts { details: sent.filter(|_| details.is_some()).map(|raw| raw.get().to_owned()), ..Thoughts::default() };
    match (details, blocks) {
        (Some(details), _) => from_details(&details, &text, vendor, &mut thoughts),
        (None, Some(blocks)) => from_blocks(&blocks, &text, &mut thoughts.parts),
        (None, None) if text.is_empty() => {}
        (None, None) => thoughts.parts.push(part(Thought { text, ..Thought::default() })),
    }
    for part in &mut thoughts.parts {
        part.extra.note("fields", spelled.join(","));
    }
    Ok(thoughts)
}

/// A field that is text with most, but an object with some (`reasoning: {…}`): then it is not ours to read.
fn take_plain(fields: &mut Fields<'_>, key: &str) -> Result<Option<String>, Malformed> {
    Ok(fields.take::<String>(key)?.filter(|text| !text.is_empty()))
}

fn part(thought: Thought) -> Part {
    Part { extra: Extra::new(Dialect::OpenAiChat), ..Part::new(PartBody::Reasoning(thought)) }
}

fn from_details(details: &[Detail<'_>], plain: &str, vendor: Option<&str>, out: &mut Thoughts) {
    if !plain.is_empty() && details.iter().all(|detail| detail.visible().is_none()) {
        out.parts.push(part(Thought { text: plain.to_owned(), ..Thought::default() }));
    }
    let mut last: Option<(Option<u64>, bool)> = None;
    for detail in details {
        let (text, seal) = (detail.visible(), detail.seal(vendor));
        if text.is_none() && seal.is_none() {
            // Not a thought: a server's tool call, or an empty piece.
            continue;
        }
        let summary = text.is_some_and(|(_, summary)| summary);
        // Clients may send back the pieces as they were streamed: pieces of one index are one thought.
        let same = |index: Option<u64>| index.is_some() && index == detail.index() && !detail.is_of_call();
        let joins = last.is_some_and(|(index, was)| same(index) && (text.is_none() || was == summary));
        let open = match out.parts.last_mut().map(|part| &mut part.body) {
            Some(PartBody::Reasoning(thought)) if joins && thought.seal.is_none() => Some(thought),
            _ => None,
        };
        if let Some(thought) = open {
            thought.text.push_str(text.map_or("", |(text, _)| text));
            thought.id = thought.id.take().or_else(|| detail.id());
            thought.seal = seal;
            continue;
        }
        if let (Some(id), None, Some(_)) = (detail.id(), text, &seal) {
            out.by_id.push((id, out.parts.len()));
        }
        last = Some((detail.index(), summary));
        let text = text.map_or_else(String::new, |(text, _)| text.to_owned());
        out.parts.push(part(Thought { id: detail.id(), text, summary, seal }));
    }
}

fn from_blocks(blocks: &[Block<'_>], plain: &str, out: &mut Vec<Part>) {
    let silent = blocks.iter().all(|block| block.thinking.as_ref().is_none_or(|text| text.0.is_empty()));
    for (at, block) in blocks.iter().enumerate() {
        let (seal, id) = block.seal().map_or((None, None), |(seal, id)| (Some(seal), id));
        let mut text = block.thinking.as_ref().map_or_else(String::new, |text| text.0.clone().into_owned());
        // A client that rebuilt the block from a stream may have its text only beside it.
        if at == 0 && silent {
            text.push_str(plain);
        }
        let summary = is_summary(&text, seal.as_ref());
        out.push(part(Thought { id, text, summary, seal }));
    }
}

/// What is visible of an encrypted thought can only be a summary.
pub(super) fn is_summary(text: &str, seal: Option<&Sealed>) -> bool {
    !text.is_empty() && seal.is_some_and(|seal| seal.kind == SealKind::Encrypted && seal.vendor == OPENAI)
}

/// Whether `reasoning_details`, as sent, still say what the thoughts of the message say: then they go back unmodified and in
/// order, as their format demands.
pub(super) fn is_unchanged(details: &str, thoughts: &[&Thought], seals: &[&Sealed]) -> bool {
    let Ok(list) = serde_json::from_str::<Vec<Detail<'_>>>(details) else { return false };
    let sent: String = list.iter().filter_map(|detail| detail.visible()).map(|(text, _)| text).collect();
    let known = |detail: &Detail<'_>| {
        detail.seal(None).is_none_or(|seal| {
            let own = thoughts.iter().filter_map(|thought| thought.seal.as_ref());
            own.chain(seals.iter().copied()).any(|known| known.bytes == seal.bytes)
        })
    };
    sent == thoughts.iter().map(|thought| thought.text.as_str()).collect::<String>() && list.iter().all(known)
}

const FORMATS: [(&str, &str); 3] = [(ANTHROPIC, "anthropic-claude-v1"), (GOOGLE, "google-gemini-v1"), (OPENAI, "openai-responses-v1")];

const XAI: &str = "xai";
/// The format of thoughts that nobody seals.
const UNKNOWN: &str = "unknown";

/// The vendor that a `format` names.
pub(super) fn vendor_of(format: Option<&str>, vendor: Option<&str>) -> String {
    match format {
        None | Some("" | UNKNOWN) => vendor.unwrap_or(UNKNOWN).to_owned(),
        Some(format) => match FORMATS.iter().find(|(_, known)| *known == format) {
            Some((vendor, _)) => (*vendor).to_owned(),
            None => format.strip_suffix("-responses-v1").unwrap_or(format).to_owned(),
        },
    }
}

fn format_of(vendor: &str) -> String {
    match FORMATS.iter().find(|(known, _)| *known == vendor) {
        Some((_, format)) => (*format).to_owned(),
        None if vendor == XAI => "xai-responses-v1".to_owned(),
        None => vendor.to_owned(),
    }
}

/// The format that thoughts of that vendor's models are told in before their seal has come, and where none comes.
pub(super) fn told_format(vendor: Option<&str>) -> String {
    let known = |vendor: &&str| *vendor == XAI || FORMATS.iter().any(|(known, _)| known == vendor);
    format_of(vendor.filter(known).unwrap_or(UNKNOWN))
}

/// Writes a thought, or a piece of one, as `reasoning_details`. Clients that join pieces keep what was said first, so that a piece has
/// the format that its seal will have; a provider is told none.
pub(super) fn write_details(out: &mut Array<'_>, thought: &Thought, (index, told): (usize, Option<&str>)) {
    let format = thought.seal.as_ref().map(|seal| format_of(&seal.vendor)).or_else(|| told.map(str::to_owned));
    let tail = |object: &mut Object<'_>| {
        object.field("id", &thought.id);
        object.option("format", format.as_ref());
        object.field("index", &index);
    };
    let signature = thought.seal.as_ref().filter(|seal| seal.kind == SealKind::Signature);
    if !thought.text.is_empty() || signature.is_some() {
        out.object(|object| {
            if thought.summary {
                object.text("type", "reasoning.summary");
                object.field("summary", &thought.text);
            } else {
                object.text("type", "reasoning.text");
                object.field("text", &thought.text);
            }
            object.option("signature", signature.map(|seal| &seal.bytes));
            tail(object);
        });
    }
    if let Some(seal) = thought.seal.as_ref().filter(|seal| seal.kind == SealKind::Encrypted) {
        out.object(|object| {
            object.text("type", "reasoning.encrypted");
            object.field("data", &seal.bytes);
            tail(object);
        });
    }
}

/// The seal of a call as a thought of its own, in which nothing is visible.
pub(super) fn of_call(id: &str, seal: &Sealed) -> Thought {
    let seal = Sealed { kind: SealKind::Encrypted, ..seal.clone() };
    Thought { id: Some(id.to_owned()), seal: Some(seal), ..Thought::default() }
}

/// Writes a thought as one of `thinking_blocks`, in a stream with its number.
pub(super) fn write_block(out: &mut Array<'_>, thought: &Thought, number: Option<usize>) {
    let token = thought.seal.as_ref().map(|seal| seal.to_token(ANTHROPIC, thought.id.as_deref()));
    let redacted = thought.text.is_empty() && thought.seal.as_ref().is_some_and(|seal| seal.kind == SealKind::Encrypted);
    out.object(|object| {
        object.option("index", number);
        if redacted {
            object.text("type", "redacted_thinking");
            object.option("data", token);
        } else {
            object.text("type", "thinking");
            object.field("thinking", &thought.text);
            object.option("signature", token);
        }
    });
}
