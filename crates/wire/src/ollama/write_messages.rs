//! The conversation as this API takes it: one text to a message, images beside it, results as messages of their own.

use serde_json::value::RawValue;

use super::HERE;
use crate::chat::{ChatRequest, MediaSource, Message, Part, PartBody, Role, ToolCall, ToolResult};
use crate::json::{Array, Object};
use crate::loss::{Losses, Why};
use crate::pen::{Refusal, knob};

/// What the request writer keeps at hand.
pub(super) struct Pen {
    pub(super) losses: Losses,
    pub(super) refused: Refusal,
}

impl Pen {
    pub(super) fn new() -> Self {
        Self { losses: Losses::new(), refused: Refusal::new(HERE) }
    }
}

/// Writes the conversation.
pub(super) fn write(out: &mut Object<'_>, pen: &mut Pen, request: &ChatRequest) {
    knob::lose_beside(&mut pen.losses, request, HERE);
    out.array("messages", |out| {
        let system: Vec<&Part> = request.system.iter().collect();
        write_turn(out, pen, Role::System, &system, "system");
        for (at, message) in request.messages.iter().enumerate() {
            if message.name.is_some() {
                pen.losses.dropped(format!("messages.{at}.name"));
            }
            let field = format!("messages.{at}.content");
            for (index, part) in message.parts.iter().enumerate() {
                if let PartBody::ToolResult(result) = &part.body {
                    let name = result.name.as_deref().or_else(|| name_of(&request.messages[..at], &result.call));
                    write_result(out, pen, result, name, &format!("{field}.{index}"));
                }
            }
            let rest: Vec<&Part> = message.parts.iter().filter(|part| !matches!(part.body, PartBody::ToolResult(_))).collect();
            write_turn(out, pen, message.role, &rest, &field);
        }
    });
}

/// The tool that call called.
fn name_of<'a>(earlier: &'a [Message], id: &str) -> Option<&'a str> {
    earlier.iter().rev().flat_map(|message| &message.parts).find_map(|part| match &part.body {
        PartBody::ToolCall(call) if call.id == id => Some(call.name.as_str()),
        _ => None,
    })
}

/// What one message holds.
#[derive(Default)]
struct Pieces<'a> {
    texts: Vec<&'a str>,
    thoughts: Vec<&'a str>,
    images: Vec<&'a str>,
    calls: Vec<&'a ToolCall>,
}

fn gather<'a>(pen: &mut Pen, parts: &[&'a Part], field: &str) -> Pieces<'a> {
    let mut pieces = Pieces::default();
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{field}.{index}");
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => pieces.texts.push(text),
            PartBody::Image(media) => match &media.source {
                MediaSource::Base64(bytes) => pieces.images.push(bytes),
                _ => pen.refused.add(&at, "this provider takes images as base64, not from URLs or file stores"),
            },
            PartBody::File(media) => match &media.source {
                MediaSource::Text(text) => {
                    pen.losses.add(at, Why::Approximated);
                    pieces.texts.push(text);
                }
                _ => pen.refused.add(&at, "this provider takes no documents"),
            },
            PartBody::Reasoning(thought) if thought.seal.is_none() => pieces.thoughts.push(&thought.text),
            PartBody::Reasoning(_) | PartBody::Hosted(_) => pen.losses.add(at, Why::Approximated),
            PartBody::ToolCall(call) => pieces.calls.push(call),
            PartBody::Audio(_) | PartBody::Video(_) | PartBody::ToolResult(_) => {
                pen.refused.add(&at, "this provider takes text and images");
            }
        }
    }
    pieces
}

fn write_turn(out: &mut Array<'_>, pen: &mut Pen, role: Role, parts: &[&Part], field: &str) {
    let pieces = gather(pen, parts, field);
    if pieces.texts.is_empty() && pieces.images.is_empty() && pieces.calls.is_empty() && pieces.thoughts.is_empty() {
        return;
    }
    out.object(|out| {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        out.field("role", role);
        out.field("content", &pieces.texts.join("\n"));
        if !pieces.thoughts.is_empty() {
            out.field("thinking", &pieces.thoughts.join("\n"));
        }
        write_images(out, &pieces.images);
        if !pieces.calls.is_empty() {
            out.array("tool_calls", |out| {
                for call in &pieces.calls {
                    out.object(|out| write_call(out, pen, call, field));
                }
            });
        }
    });
}

fn write_images(out: &mut Object<'_>, images: &[&str]) {
    if !images.is_empty() {
        out.field("images", images);
    }
}

fn write_call(out: &mut Object<'_>, pen: &mut Pen, call: &ToolCall, field: &str) {
    let text = call.arguments.trim();
    let is_object = text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok();
    if !is_object && !text.is_empty() {
        pen.losses.add(format!("{field}.arguments"), Why::Approximated);
    }
    out.field("id", &call.id);
    out.text("type", "function");
    out.object("function", |out| {
        out.field("name", &call.name);
        match text {
            "" => out.raw("arguments", "{}"),
            text if is_object => out.raw("arguments", text),
            text => out.object("arguments", |out| out.field("input", text)),
        }
    });
}

fn write_result(out: &mut Array<'_>, pen: &mut Pen, result: &ToolResult, name: Option<&str>, field: &str) {
    if result.is_error {
        pen.losses.dropped(format!("{field}.is_error"));
    }
    let parts: Vec<&Part> = result.parts.iter().collect();
    let pieces = gather(pen, &parts, &format!("{field}.content"));
    out.object(|out| {
        out.text("role", "tool");
        out.option("tool_name", name);
        out.field("tool_call_id", &result.call);
        out.field("content", &pieces.texts.join("\n"));
        write_images(out, &pieces.images);
    });
}
