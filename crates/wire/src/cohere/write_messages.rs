//! The conversation as this API takes it: results of tools are messages of their own.

use super::HERE;
use crate::chat::{ChatRequest, Media, MediaSource, Message, Part, PartBody, Role, ToolCall, ToolResult};
use crate::json::{Array, Object};
use crate::loss::{Losses, Why};
use crate::pen::{Refusal, knob};

/// What the request writer keeps at hand.
pub(super) struct Pen<'a> {
    pub(super) losses: Losses,
    /// Documents of plain text, which have a place of their own.
    pub(super) documents: Vec<&'a Media>,
    pub(super) refused: Refusal,
}

impl Pen<'_> {
    pub(super) fn new() -> Self {
        Self { losses: Losses::new(), documents: Vec::new(), refused: Refusal::new(HERE) }
    }
}

/// Writes the conversation.
pub(super) fn write<'a>(out: &mut Object<'_>, pen: &mut Pen<'a>, request: &'a ChatRequest) {
    knob::lose_beside(&mut pen.losses, request, HERE);
    out.array("messages", |out| {
        write_turn(out, pen, "system", &request.system.iter().collect::<Vec<_>>(), "system");
        for (at, message) in request.messages.iter().enumerate() {
            if message.name.is_some() {
                pen.losses.dropped(format!("messages.{at}.name"));
            }
            let field = format!("messages.{at}.content");
            match message.role {
                Role::System => write_turn(out, pen, "system", &message.parts.iter().collect::<Vec<_>>(), &field),
                Role::User => write_user(out, pen, message, &field),
                Role::Assistant => write_assistant(out, pen, message, &field),
            }
        }
    });
}

fn write_user<'a>(out: &mut Array<'_>, pen: &mut Pen<'a>, message: &'a Message, field: &str) {
    let is_result = |part: &&Part| matches!(part.body, PartBody::ToolResult(_));
    for (index, part) in message.parts.iter().enumerate() {
        if let PartBody::ToolResult(result) = &part.body {
            write_result(out, pen, result, &format!("{field}.{index}"));
        }
    }
    let rest: Vec<&Part> = message.parts.iter().filter(|part| !is_result(part)).collect();
    write_turn(out, pen, "user", &rest, field);
}

/// What goes into a message's content, in order.
enum Piece<'a> {
    Text(&'a str),
    Image(&'a Media),
}

/// A message of text and images; nothing where there is nothing to say.
fn write_turn<'a>(out: &mut Array<'_>, pen: &mut Pen<'a>, role: &str, parts: &[&'a Part], field: &str) {
    let pieces = pieces(pen, parts, field);
    if pieces.is_empty() {
        return;
    }
    out.object(|out| {
        out.field("role", role);
        write_content(out, &pieces);
    });
}

fn pieces<'a>(pen: &mut Pen<'a>, parts: &[&'a Part], field: &str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{field}.{index}");
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) if text.is_empty() && parts.len() > 1 => {}
            PartBody::Text { text, .. } | PartBody::Refusal(text) => pieces.push(Piece::Text(text)),
            PartBody::Image(media) if !matches!(media.source, MediaSource::FileId(_) | MediaSource::Text(_)) => {
                pieces.push(Piece::Image(media));
            }
            PartBody::File(media) if matches!(media.source, MediaSource::Text(_)) => {
                pen.losses.add(at, Why::Approximated);
                pen.documents.push(media);
            }
            PartBody::Hosted(_) | PartBody::Reasoning(_) => pen.losses.add(at, Why::Approximated),
            _ => pen.refused.add(&at, "this provider takes text, images and documents of plain text"),
        }
    }
    pieces
}

fn write_content(out: &mut Object<'_>, pieces: &[Piece<'_>]) {
    if let [Piece::Text(text)] = pieces {
        out.field("content", text);
        return;
    }
    out.array("content", |out| {
        for piece in pieces {
            out.object(|out| match piece {
                Piece::Text(text) => {
                    out.text("type", "text");
                    out.field("text", text);
                }
                Piece::Image(media) => {
                    out.text("type", "image_url");
                    out.object("image_url", |out| {
                        out.field("url", &url_of(media));
                        out.option("detail", media.detail.as_ref());
                    });
                }
            });
        }
    });
}

fn url_of(media: &Media) -> String {
    match &media.source {
        MediaSource::Base64(bytes) => format!("data:{};base64,{bytes}", media.media_type.as_deref().unwrap_or("image/png")),
        MediaSource::Url(url) | MediaSource::FileId(url) | MediaSource::Text(url) => url.clone(),
    }
}

fn write_assistant<'a>(out: &mut Array<'_>, pen: &mut Pen<'a>, message: &'a Message, field: &str) {
    let calls: Vec<&ToolCall> = message.parts.iter().filter_map(|part| as_call(&part.body)).collect();
    let rest: Vec<&Part> = message.parts.iter().filter(|part| as_call(&part.body).is_none()).collect();
    let mut pieces = pieces(pen, &rest, field);
    if !calls.is_empty() {
        pieces.retain(|piece| !matches!(piece, Piece::Text("")));
    }
    if pieces.is_empty() && calls.is_empty() {
        return;
    }
    out.object(|out| {
        out.text("role", "assistant");
        if !pieces.is_empty() {
            write_content(out, &pieces);
        }
        if calls.is_empty() {
            return;
        }
        out.array("tool_calls", |out| {
            for call in calls {
                out.object(|out| {
                    out.field("id", &call.id);
                    out.text("type", "function");
                    out.object("function", |out| {
                        out.field("name", &call.name);
                        out.field("arguments", if call.arguments.trim().is_empty() { "{}" } else { &call.arguments });
                    });
                });
            }
        });
    });
}

fn as_call(body: &PartBody) -> Option<&ToolCall> {
    if let PartBody::ToolCall(call) = body { Some(call) } else { None }
}

fn write_result<'a>(out: &mut Array<'_>, pen: &mut Pen<'a>, result: &'a ToolResult, field: &str) {
    if result.is_error {
        pen.losses.dropped(format!("{field}.is_error"));
    }
    let mut texts = Vec::new();
    for (index, part) in result.parts.iter().enumerate() {
        match &part.body {
            PartBody::Text { text, .. } => texts.push(Piece::Text(text)),
            _ => pen.refused.add(&format!("{field}.content.{index}"), "this provider takes only text as a tool's result"),
        }
    }
    if texts.is_empty() {
        texts.push(Piece::Text(""));
    }
    out.object(|out| {
        out.text("role", "tool");
        out.field("tool_call_id", &result.call);
        write_content(out, &texts);
    });
}
