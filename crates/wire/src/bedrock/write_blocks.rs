//! The conversation as this API takes it: turns that alternate, the user first, no blank text, results before anything else.

use serde_json::value::RawValue;

use super::pen::{Family, Pen};
use super::write_media::{self, Block};
use super::{HERE, names, sealer};
use crate::chat::{CacheMark, ChatRequest, Hosted, Message, OutputFormat, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::json::{self, Array, Object};
use crate::loss::Why;
use crate::pen::answer::JSON_ONLY;
use crate::pen::instructions::{self, Voice};
use crate::seal::{SealKind, Sealed};

/// One block and the cache point after it.
struct Unit {
    is_result: bool,
    json: Vec<u8>,
    cache: Option<Vec<u8>>,
}

struct Turn {
    role: Role,
    units: Vec<Unit>,
}

/// Writes the instructions that open the conversation.
pub(super) fn write_system(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let opening = instructions::opening(&request.messages);
    let mut blocks = Vec::new();
    for (at, part) in request.system.iter().enumerate() {
        write_system_part(&mut blocks, pen, part, &format!("system.{at}"));
    }
    for (at, message) in request.messages[..opening].iter().enumerate() {
        for (index, part) in message.parts.iter().enumerate() {
            write_system_part(&mut blocks, pen, part, &format!("messages.{at}.content.{index}"));
        }
    }
    if matches!(request.output, OutputFormat::Json) {
        blocks.push(json::object(|out| out.field("text", JSON_ONLY)));
    }
    if !blocks.is_empty() {
        out.array("system", |out| blocks.iter().for_each(|block| push(out, block)));
    }
}

fn write_system_part(blocks: &mut Vec<Vec<u8>>, pen: &mut Pen<'_>, part: &Part, at: &str) {
    match &part.body {
        PartBody::Text { text, .. } if text.trim().is_empty() => return,
        PartBody::Text { text, .. } => blocks.push(json::object(|out| out.field("text", text))),
        _ => pen.refused.add(at, "this provider takes only text as instructions"),
    }
    pen.lose(&part.extra);
    blocks.extend(part.cache.as_ref().and_then(|mark| pen.cache_point(mark, false)));
}

/// Writes the conversation. The API knows no system turn.
pub(super) fn write_messages(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let mut turns: Vec<Turn> = Vec::new();
    let opening = instructions::opening(&request.messages);
    let messages: Vec<&Message> = request.messages[opening..].iter().collect();
    for (place, voice) in instructions::place(&messages, false) {
        let (at, message) = (opening + place, messages[place]);
        let mut units = write_turn(pen, message, at, is_prefill(pen, request, at));
        if voice == Voice::Noted && !units.is_empty() {
            pen.losses.add(format!("messages.{at}.role"), Why::Approximated);
            let note = write_part(pen, &instructions::note(), "").map(|json| Unit { is_result: false, json, cache: None });
            units.splice(0..0, note);
        }
        match turns.last_mut() {
            Some(turn) if turn.role == voice.role() => turn.units.extend(units),
            _ if units.is_empty() => {}
            _ => turns.push(Turn { role: voice.role(), units }),
        }
    }
    if turns.first().is_none_or(|turn| turn.role == Role::Assistant) {
        pen.losses.add("messages", Why::Approximated);
        let json = json::object(|out| out.text("text", "Continue."));
        turns.insert(0, Turn { role: Role::User, units: vec![Unit { is_result: false, json, cache: None }] });
    }
    out.array("messages", |out| {
        for turn in &mut turns {
            turn.units.sort_by_key(|unit| !unit.is_result);
            out.object(|out| {
                out.field("role", if turn.role == Role::Assistant { "assistant" } else { "user" });
                out.array("content", |out| {
                    for unit in &turn.units {
                        push(out, &unit.json);
                        if let Some(cache) = &unit.cache {
                            push(out, cache);
                        }
                    }
                });
            });
        }
    });
}

/// Whether the model is to go on from that turn; Claude's API refuses it when it ends in white space.
fn is_prefill(pen: &Pen<'_>, request: &ChatRequest, at: usize) -> bool {
    at + 1 == request.messages.len() && pen.family == Family::Claude && request.messages[at].role == Role::Assistant
}

fn push(out: &mut Array<'_>, json: &[u8]) {
    out.raw(std::str::from_utf8(json).unwrap_or("null"));
}

fn write_turn(pen: &mut Pen<'_>, message: &Message, at: usize, prefill: bool) -> Vec<Unit> {
    if message.name.is_some() {
        pen.losses.dropped(format!("messages.{at}.name"));
    }
    pen.lose(&message.extra);
    let mut units: Vec<Unit> = Vec::new();
    for (index, part) in message.parts.iter().enumerate() {
        let field = format!("messages.{at}.content.{index}");
        let inner = match &part.body {
            PartBody::ToolResult(result) => result.parts.iter().rev().find_map(|part| part.cache.as_ref()),
            _ => None,
        };
        let mark = part.cache.as_ref().or(inner);
        let is_last = index + 1 == message.parts.len();
        let json = match &part.body {
            PartBody::Text { text, .. } if prefill && is_last => write_text(text.trim_end()),
            _ => write_part(pen, part, &field),
        };
        if let Some(json) = json {
            let cache = mark.and_then(|mark| pen.cache_point(mark, false));
            units.push(Unit { is_result: matches!(part.body, PartBody::ToolResult(_)), json, cache });
        } else if let (Some(mark), Some(last)) = (mark, units.last_mut()) {
            // What was left out may have been where the cache was to cut.
            keep_mark(pen, last, mark);
        }
    }
    units
}

fn keep_mark(pen: &mut Pen<'_>, last: &mut Unit, mark: &CacheMark) {
    if last.cache.is_none() {
        last.cache = pen.cache_point(mark, false);
    }
}

fn write_part(pen: &mut Pen<'_>, part: &Part, at: &str) -> Option<Vec<u8>> {
    lose_extra(pen, part);
    let media = match &part.body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => return write_text(text),
        PartBody::Image(media) => (Block::Image, media),
        PartBody::Audio(media) => (Block::Audio, media),
        PartBody::Video(media) => (Block::Video, media),
        PartBody::File(media) => (Block::Document, media),
        PartBody::Reasoning(thought) => return write_thought(pen, thought, at),
        PartBody::ToolCall(call) => return Some(write_call(pen, call, at)),
        PartBody::ToolResult(result) => return Some(write_result(pen, result, at)),
        PartBody::Hosted(hosted) => return write_hosted(pen, hosted, at),
    };
    write_media::write(pen, media.0, media.1, part, at)
}

/// Records what a part carries beside its meaning as lost, but for what documents have here too.
fn lose_extra(pen: &mut Pen<'_>, part: &Part) {
    let is_document = matches!(part.body, PartBody::File(_)) && part.extra.from() == Some(Dialect::Anthropic);
    let kept = |key: &str| is_document && write_media::DOCUMENT_EXTRAS.contains(&key);
    for (key, _) in part.extra.fields().iter().filter(|(key, _)| part.extra.from() != Some(HERE) && !kept(key)) {
        pen.losses.dropped(key.clone());
    }
}

/// The API refuses blank text.
fn write_text(text: &str) -> Option<Vec<u8>> {
    (!text.trim().is_empty()).then(|| json::object(|out| out.field("text", text)))
}

/// A thought goes back only to the vendor that sealed it.
fn write_thought(pen: &mut Pen<'_>, thought: &Thought, at: &str) -> Option<Vec<u8>> {
    let vendor = if pen.family == Family::Claude { Some("anthropic") } else { None };
    let open = |seal: &Sealed| seal.open(sealer(vendor)).map(|bytes| (seal.kind, bytes.to_owned()));
    let Some((kind, bytes)) = thought.seal.as_ref().and_then(open) else {
        pen.losses.add(at.to_owned(), Why::Approximated);
        return None;
    };
    Some(json::object(|out| {
        out.object("reasoningContent", |out| match kind {
            SealKind::Encrypted => out.field("redactedContent", &bytes),
            SealKind::Signature => out.object("reasoningText", |out| {
                out.field("text", &thought.text);
                out.field("signature", &bytes);
            }),
        });
    }))
}

fn write_call(pen: &mut Pen<'_>, call: &ToolCall, at: &str) -> Vec<u8> {
    let name = pen.names.tools.tool(&call.name).into_owned();
    let text = call.arguments.trim();
    let is_object = text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok();
    if !is_object && !text.is_empty() {
        pen.losses.add(format!("{at}.arguments"), Why::Approximated);
    }
    json::object(|out| {
        out.object("toolUse", |out| {
            out.field("toolUseId", &names::id(&call.id));
            out.field("name", &name);
            match text {
                "" => out.raw("input", "{}"),
                text if is_object => out.raw("input", text),
                text => out.object("input", |out| out.field("input", text)),
            }
        });
    })
}

fn write_result(pen: &mut Pen<'_>, result: &ToolResult, at: &str) -> Vec<u8> {
    let mut blocks = Vec::new();
    for (index, part) in result.parts.iter().enumerate() {
        let field = format!("{at}.content.{index}");
        match &part.body {
            // Blank text, which the API refuses, says nothing that an empty list does not.
            PartBody::Text { text, .. } if text.trim().is_empty() => {}
            PartBody::Text { text, .. } => blocks.push(json::object(|out| out.field("text", text))),
            PartBody::Image(_) | PartBody::Video(_) | PartBody::File(_) => blocks.extend(write_part(pen, part, &field)),
            _ => pen.refused.add(&field, "this provider takes text, images, videos and documents as a tool's result"),
        }
    }
    json::object(|out| {
        out.object("toolResult", |out| {
            out.field("toolUseId", &names::id(&result.call));
            out.array("content", |out| blocks.iter().for_each(|block| push(out, block)));
            if result.is_error {
                out.text("status", "error");
            }
        });
    })
}

/// Items of tools that another provider ran mean nothing here.
fn write_hosted(pen: &mut Pen<'_>, hosted: &Hosted, at: &str) -> Option<Vec<u8>> {
    if hosted.from == HERE {
        return Some(hosted.raw.get().as_bytes().to_vec());
    }
    pen.losses.add(at.to_owned(), Why::Approximated);
    None
}
