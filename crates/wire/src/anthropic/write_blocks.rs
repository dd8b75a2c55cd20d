//! The system prompt and the conversation, in content blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fit::ELSEWHERE;
use super::pen::Pen;
use super::reply::input_of;
use super::{HERE, names};
use crate::chat::{CacheMark, ChatRequest, Citation, Media, MediaSource, Message, OutputFormat, Part, PartBody, Role, Thought, ToolResult};
use crate::json::{Array, Object};
use crate::loss::Why;
use crate::pen::answer::JSON_ONLY;
use crate::pen::instructions::{self, Voice};
use crate::seal::SealKind;

const FILES: &str = "files-api-2025-04-14";

/// Writes a prompt-cache breakpoint.
pub(super) fn write_cache(out: &mut Object<'_>, cache: Option<&CacheMark>) {
    if let Some(cache) = cache {
        out.object("cache_control", |out| {
            out.text("type", "ephemeral");
            out.option("ttl", cache.ttl.as_ref());
        });
    }
}

/// Writes `system`, with what opens the conversation as the system's.
pub(super) fn write_system(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let mut parts: Vec<&Part> = request.system.iter().collect();
    if pen.places() {
        let opening = instructions::opening(&request.messages);
        parts.extend(request.messages[..opening].iter().flat_map(|message| &message.parts));
    }
    let json_only = Part::text(JSON_ONLY);
    if !pen.native && matches!(request.output, OutputFormat::Json) {
        pen.losses.add("response_format", Why::Approximated);
        parts.push(&json_only);
    }
    write_content(out, pen, "system", &parts);
}

/// One turn as it is sent.
struct Turn<'a> {
    role: Role,
    parts: Vec<&'a Part>,
    message: &'a Message,
}

/// Writes `messages`.
pub(super) fn write_messages(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let opening = Message::new(Role::User, vec![Part::text(".")]);
    let note = instructions::note();
    let turns = turns(pen, request, (&opening, &note));
    out.array("messages", |out| {
        let last = turns.len().saturating_sub(1);
        for (at, turn) in turns.iter().enumerate() {
            let trimmed = (at == last && turn.role == Role::Assistant).then(|| trim_end(turn)).flatten();
            out.object(|out| {
                out.text("role", role_name(turn.role));
                let mut parts = turn.parts.clone();
                if let (Some(trimmed), Some(end)) = (&trimmed, parts.last_mut()) {
                    *end = trimmed;
                }
                write_content(out, pen, "content", &parts);
                out.extra(&turn.message.extra, HERE);
            });
        }
    });
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The turns: as they are in a request of this dialect; else alternating, begun by the user, the results of tools first.
fn turns<'a>(pen: &mut Pen<'_>, request: &'a ChatRequest, (opening, note): (&'a Message, &'a Part)) -> Vec<Turn<'a>> {
    let mut said: Vec<(&Message, Vec<&Part>)> = Vec::new();
    let before = if pen.places() { instructions::opening(&request.messages) } else { 0 };
    for message in &request.messages[before..] {
        if message.name.is_some() {
            pen.losses.dropped("messages.name");
        }
        pen.lose(&message.extra);
        let parts: Vec<&Part> = message.parts.iter().filter(|part| is_sent(pen, part)).collect();
        if parts.is_empty() && !(pen.native && message.parts.is_empty()) {
            continue;
        }
        said.push((message, parts));
    }
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (at, voice) in placed(pen, &said) {
        let (message, mut parts) = (said[at].0, std::mem::take(&mut said[at].1));
        if voice == Voice::Noted {
            pen.losses.add("messages.role", Why::Approximated);
            parts.insert(0, note);
        }
        let joins = !pen.native || voice == Voice::Own(Role::System);
        match turns.last_mut() {
            Some(turn) if turn.role == voice.role() && joins => turn.parts.extend(parts),
            _ => turns.push(Turn { role: voice.role(), parts, message }),
        }
    }
    if pen.native {
        return turns;
    }
    for turn in turns.iter_mut().filter(|turn| turn.role == Role::User) {
        turn.parts.sort_by_key(|part| !matches!(part.body, PartBody::ToolResult(_)));
    }
    if turns.first().is_none_or(|turn| turn.role == Role::Assistant) {
        pen.losses.add("messages", Why::Approximated);
        turns.insert(0, Turn { role: Role::User, parts: opening.parts.iter().collect(), message: opening });
    }
    turns
}

/// The turns in the order they are sent.
fn placed(pen: &Pen<'_>, said: &[(&Message, Vec<&Part>)]) -> Vec<(usize, Voice)> {
    if !pen.places() {
        return said.iter().enumerate().map(|(at, (message, _))| (at, Voice::Own(message.role))).collect();
    }
    let messages: Vec<&Message> = said.iter().map(|(message, _)| *message).collect();
    instructions::place(&messages, pen.profile.mid_system == Some(true))
}

/// Whether the API takes that part, and it is the target's to see.
fn is_sent(pen: &mut Pen<'_>, part: &Part) -> bool {
    match &part.body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => !text.trim().is_empty(),
        PartBody::Reasoning(thought) => {
            let vendor = pen.vendor();
            let own = match &thought.seal {
                Some(seal) => seal.open(vendor).is_some_and(|bytes| !bytes.starts_with(ELSEWHERE)),
                // Other vendors behind this API seal nothing and take their thoughts back as they are.
                None => vendor != crate::seal::ANTHROPIC && !thought.text.is_empty(),
            };
            if !own {
                pen.losses.add("messages.reasoning", Why::Approximated);
            }
            own
        }
        PartBody::Hosted(hosted) if hosted.from != HERE => {
            pen.losses.dropped(hosted.kind.clone());
            false
        }
        _ => true,
    }
}

/// The last text of an answer to go on with, which must not end in white space.
fn trim_end(turn: &Turn<'_>) -> Option<Part> {
    let part = *turn.parts.last()?;
    match &part.body {
        PartBody::Text { text, citations } if text.trim_end().len() < text.len() => {
            let body = PartBody::Text { text: text.trim_end().to_owned(), citations: citations.clone() };
            Some(Part { body, ..part.clone() })
        }
        _ => None,
    }
}

/// Writes a content field: plain text as a string, anything else as blocks; nothing where there is nothing.
fn write_content(out: &mut Object<'_>, pen: &mut Pen<'_>, key: &str, parts: &[&Part]) {
    let sent: Vec<&&Part> = parts.iter().filter(|part| is_sent(pen, part)).collect();
    match sent.as_slice() {
        [] if key == "content" => out.array(key, |_| {}),
        [] => {}
        [one] if is_plain(one) => {
            if let PartBody::Text { text, .. } = &one.body {
                out.text(key, text);
            }
        }
        many => out.array(key, |out| {
            for part in many {
                write_part(out, pen, part);
            }
        }),
    }
}

fn is_plain(part: &Part) -> bool {
    let is_text = matches!(&part.body, PartBody::Text { citations, .. } if citations.is_empty());
    is_text && part.cache.is_none() && part.extra.is_empty()
}

fn write_part(out: &mut Array<'_>, pen: &mut Pen<'_>, part: &Part) {
    pen.lose(&part.extra);
    let end = |out: &mut Object<'_>| {
        write_cache(out, part.cache.as_ref());
        out.extra(&part.extra, HERE);
    };
    match &part.body {
        PartBody::Text { text, citations } => out.object(|out| {
            out.text("type", "text");
            out.text("text", text);
            write_citations(out, pen, citations);
            end(out);
        }),
        PartBody::Refusal(text) => out.object(|out| {
            out.text("type", "text");
            out.text("text", text);
            end(out);
        }),
        PartBody::Image(media) => match image_source(pen, media) {
            Some(source) => out.object(|out| {
                out.text("type", "image");
                source.write(out);
                end(out);
            }),
            None => pen.refused.add("messages.content.image", "this image is neither of a known type nor at a web address"),
        },
        PartBody::File(media) => write_document(out, pen, part, media),
        PartBody::Audio(_) => pen.refused.add("messages.content.audio", "this provider takes no sound"),
        PartBody::Video(_) => pen.refused.add("messages.content.video", "this provider takes no moving pictures"),
        PartBody::Reasoning(thought) => out.object(|out| write_thought(out, pen, thought)),
        PartBody::ToolCall(call) => out.object(|out| {
            out.text("type", "tool_use");
            out.field("id", &names::id(&call.id));
            out.field("name", &pen.names.tool(&call.name));
            out.raw("input", &input_of(call));
            end(out);
        }),
        PartBody::ToolResult(result) => out.object(|out| {
            write_result(out, pen, result);
            end(out);
        }),
        PartBody::Hosted(hosted) => out.raw(hosted.raw.get()),
    }
}

fn write_result(out: &mut Object<'_>, pen: &mut Pen<'_>, result: &ToolResult) {
    out.text("type", "tool_result");
    out.field("tool_use_id", &names::id(&result.call));
    let parts: Vec<&Part> = result.parts.iter().filter(|part| is_sent(pen, part)).collect();
    if !parts.is_empty() {
        write_content(out, pen, "content", &parts);
    }
    if result.is_error {
        out.field("is_error", &true);
    }
}

fn write_thought(out: &mut Object<'_>, pen: &Pen<'_>, thought: &Thought) {
    let seal = thought.seal.as_ref();
    let bytes = seal.and_then(|seal| seal.open(pen.vendor()));
    match (bytes, seal.map(|seal| seal.kind)) {
        (Some(data), Some(SealKind::Encrypted)) => {
            out.text("type", "redacted_thinking");
            out.text("data", data);
        }
        (signature, _) => {
            out.text("type", "thinking");
            out.text("thinking", &thought.text);
            out.option("signature", signature);
        }
    }
}

/// Writes the sources of an earlier answer's text. Another provider's cannot be checked here and would be refused.
fn write_citations(out: &mut Object<'_>, pen: &mut Pen<'_>, citations: &[Citation]) {
    let own: Vec<&str> = citations
        .iter()
        .filter_map(|citation| match &citation.raw {
            Some((HERE, raw)) => Some(raw.get()),
            _ => None,
        })
        .collect();
    if own.len() < citations.len() {
        pen.losses.dropped("messages.content.citations");
    }
    if !own.is_empty() {
        out.array("citations", |out| own.iter().for_each(|raw| out.raw(raw)));
    }
}

/// The `source` of an image or a document.
enum Source<'a> {
    Base64(&'a str, &'a str),
    Text(String),
    Url(&'a str),
    File(&'a str),
}

impl Source<'_> {
    fn write(&self, out: &mut Object<'_>) {
        out.object("source", |out| match self {
            Source::Base64(media_type, data) => {
                out.text("type", "base64");
                out.field("media_type", media_type);
                out.text("data", data);
            }
            Source::Text(text) => {
                out.text("type", "text");
                out.text("media_type", "text/plain");
                out.text("data", text);
            }
            Source::Url(url) => {
                out.text("type", "url");
                out.field("url", url);
            }
            Source::File(id) => {
                out.text("type", "file");
                out.field("file_id", id);
            }
        });
    }
}

fn image_source<'a>(pen: &mut Pen<'_>, media: &'a Media) -> Option<Source<'a>> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        pen.losses.dropped("image_url.detail");
    }
    if media.name.is_some() {
        pen.losses.dropped("messages.content.name");
    }
    match &media.source {
        MediaSource::Base64(data) => Some(Source::Base64(media.media_type.as_deref().or_else(|| sniff(data))?, data)),
        other => place(pen, other),
    }
}

/// A source that is not in the request itself.
fn place<'a>(pen: &mut Pen<'_>, source: &'a MediaSource) -> Option<Source<'a>> {
    match source {
        MediaSource::Url(url) if url.starts_with("https:") || url.starts_with("http:") => Some(Source::Url(url)),
        MediaSource::FileId(id) => {
            pen.beta(FILES);
            Some(Source::File(id))
        }
        MediaSource::Url(_) | MediaSource::Base64(_) | MediaSource::Text(_) => None,
    }
}

/// What base64 of well-known types begins with.
fn sniff(data: &str) -> Option<&'static str> {
    let table = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0KGgo", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    table.into_iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| kind)
}

fn document_source<'a>(pen: &mut Pen<'_>, media: &'a Media) -> Option<Source<'a>> {
    match &media.source {
        MediaSource::Text(text) => Some(Source::Text(text.clone())),
        MediaSource::Base64(data) => match media.media_type.as_deref().or_else(|| sniff(data))? {
            kind @ "application/pdf" => Some(Source::Base64(kind, data)),
            kind if pen.native => Some(Source::Base64(kind, data)),
            kind if kind.starts_with("text/") || kind == "application/json" => {
                STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Source::Text)
            }
            _ => None,
        },
        other => place(pen, other),
    }
}

fn write_document(out: &mut Array<'_>, pen: &mut Pen<'_>, part: &Part, media: &Media) {
    let kept = |key: &str| part.extra.of(HERE).iter().any(|(known, _)| known == key);
    let source = if kept("source") { None } else { document_source(pen, media) };
    if source.is_none() && !kept("source") {
        pen.refused.add("messages.content.file", "this provider takes documents as PDF or plain text, or at a web address");
        return;
    }
    out.object(|out| {
        if !kept("type") {
            out.text("type", "document");
        }
        if let Some(source) = &source {
            source.write(out);
        }
        out.option("title", media.name.as_ref());
        write_cache(out, part.cache.as_ref());
        out.extra(&part.extra, HERE);
    });
}
