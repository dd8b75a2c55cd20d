//! Whole answers, read and written.

use serde_json::value::RawValue;

use super::read_blocks::{is_empty_object, read_block};
use super::{HERE, error, stop, usage};
use crate::chat::{Citation, Media, MediaSource, Part, PartBody, Passage, PassageUnit, Thought, ToolCall};
use crate::fields::Fields;
use crate::half::{Memo, Stamp};
use crate::json::{self, Array, Object};
use crate::problem::{Fault, Malformed};
use crate::reply::{ChatReply, Usage};
use crate::seal::{ANTHROPIC, SealKind};

/// Reads a whole answer.
pub(super) fn read(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    read_message(memo, body).map_err(|malformed| error::read_inside(body).unwrap_or_else(|| Fault::protocol(&malformed.to_string())))
}

fn read_message(memo: &Memo, body: &[u8]) -> Result<ChatReply, Malformed> {
    let mut fields = Fields::scan(body)?;
    fields.take_raw("type");
    fields.take_raw("role");
    let mut reply = ChatReply { id: fields.take("id")?, model: fields.take("model")?, ..ChatReply::default() };
    let content: Vec<&RawValue> = fields.require("content")?;
    let mut json_answer = false;
    for (at, block) in content.into_iter().enumerate() {
        let mut part = read_block(block).map_err(|error| error.within(&format!("content.{at}")))?;
        json_answer |= restore(memo, &mut part);
        reply.parts.push(part);
    }
    let stop_reason: Option<String> = fields.take("stop_reason")?;
    reply.finish = stop::read(stop_reason, fields.take("stop_sequence")?, fields.peek_raw(stop::DETAILS));
    if json_answer && !reply.parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_))) {
        reply.finish.reason = stop::of_json_answer(reply.finish.reason);
    }
    if let Some(raw) = fields.take_raw("usage").filter(|raw| raw.get() != "null") {
        let (usage, tier) = usage::read(raw)?;
        reply.usage = Some(usage);
        reply.service_tier = tier;
    }
    reply.extra = fields.rest(HERE);
    Ok(reply)
}

/// Undoes what the request writer did: renamed tools, the tool that stands for a JSON answer, and the seal's vendor. Whether the
/// block was the JSON answer.
fn restore(memo: &Memo, part: &mut Part) -> bool {
    match &mut part.body {
        PartBody::ToolCall(call) if memo.json_tool.as_deref() == Some(&call.name) => {
            let text = std::mem::take(&mut call.arguments);
            *part = Part::text(text);
            true
        }
        PartBody::ToolCall(call) => {
            if let Some((_, name)) = memo.renamed.iter().find(|(sent, _)| *sent == call.name) {
                call.name.clone_from(name);
            }
            false
        }
        PartBody::Reasoning(Thought { seal: Some(seal), .. }) => {
            if let Some(vendor) = &memo.vendor {
                seal.vendor = vendor.clone().into();
            }
            false
        }
        _ => false,
    }
}

/// Writes a whole answer.
pub(super) fn write(reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
    json::object(|out| {
        out.text("id", reply.id.as_ref().unwrap_or(&stamp.id));
        out.text("type", "message");
        out.text("role", "assistant");
        out.text("model", reply.model.as_ref().unwrap_or(&stamp.model));
        out.array("content", |out| {
            for part in &reply.parts {
                write_part(out, part, stamp);
            }
        });
        let has = |wanted: fn(&PartBody) -> bool| reply.parts.iter().any(|part| wanted(&part.body));
        let calls = has(|body| matches!(body, PartBody::ToolCall(_)));
        let refusal = has(|body| matches!(body, PartBody::Refusal(_)));
        out.text("stop_reason", stop::write(&reply.finish, calls, refusal));
        out.field("stop_sequence", &stop::sequence(&reply.finish));
        if !reply.extra.of(HERE).iter().any(|(key, _)| key == stop::DETAILS) {
            stop::write_details(out, &reply.finish);
        }
        write_usage(out, reply);
        out.extra(&reply.extra, HERE);
    })
}

fn write_usage(out: &mut Object<'_>, reply: &ChatReply) {
    match &reply.usage {
        Some(Usage { raw: Some((HERE, raw)), .. }) => out.raw("usage", raw.get()),
        usage => usage::write(out, usage.as_ref(), reply.service_tier.as_deref()),
    }
}

fn write_part(out: &mut Array<'_>, part: &Part, stamp: &Stamp) {
    match &part.body {
        PartBody::Text { text, citations } => out.object(|out| {
            out.text("type", "text");
            out.text("text", text);
            write_citations(out, citations);
            out.extra(&part.extra, HERE);
        }),
        PartBody::Refusal(text) => out.object(|out| {
            out.text("type", "text");
            out.text("text", text);
        }),
        PartBody::Reasoning(_) if stamp.hide_reasoning => {}
        PartBody::Reasoning(thought) => out.object(|out| write_thought(out, thought)),
        PartBody::ToolCall(call) => out.object(|out| {
            write_call(out, call);
            out.extra(&part.extra, HERE);
        }),
        PartBody::Hosted(hosted) if hosted.from == HERE => out.raw(hosted.raw.get()),
        PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => {
            if let Some(text) = text_of(media) {
                out.object(|out| {
                    out.text("type", "text");
                    out.text("text", &text);
                });
            }
        }
        // What another provider ran itself is not for this client to run, and a result is no part of an answer.
        PartBody::Hosted(_) | PartBody::ToolResult(_) => {}
    }
}

/// How a medium reads in a format whose answers are text: what is said in it, or a link to it.
pub(super) fn text_of(media: &Media) -> Option<String> {
    if let Some(transcript) = &media.transcript {
        return Some(transcript.clone());
    }
    let name = media.name.as_deref().unwrap_or("attachment");
    match &media.source {
        MediaSource::Url(url) => Some(format!("![{name}]({url})")),
        MediaSource::Base64(data) if !data.is_empty() => {
            let kind = media.media_type.as_deref().unwrap_or("application/octet-stream");
            Some(format!("![{name}](data:{kind};base64,{data})"))
        }
        MediaSource::Text(text) => Some(text.clone()),
        MediaSource::Base64(_) | MediaSource::FileId(_) => None,
    }
}

fn write_citations(out: &mut Object<'_>, citations: &[Citation]) {
    if citations.is_empty() {
        return;
    }
    out.array("citations", |out| {
        for citation in citations {
            out.raw(&citation_json(citation));
        }
    });
}

/// A citation's JSON text: as sent, or as the nearest kind.
pub(super) fn citation_json(citation: &Citation) -> String {
    match &citation.raw {
        Some((HERE, raw)) => raw.get().to_owned(),
        _ => json::text(json::object(|out| write_citation(out, citation))),
    }
}

fn write_citation(out: &mut Object<'_>, citation: &Citation) {
    let quoted = citation.cited_text.as_deref().unwrap_or_default();
    let index = citation.document.as_ref().and_then(|document| document.parse::<u64>().ok());
    // A search's result has a name of its own and blocks; a page of the web has none, and a document no name but its number.
    let named = citation.url.as_ref().or(citation.document.as_ref().filter(|_| index.is_none()));
    if let (Some(source), Some(Passage { unit: PassageUnit::Block, start, end })) = (named, citation.passage) {
        out.text("type", "search_result_location");
        out.field("source", source);
        out.field("title", &citation.title);
        out.field("cited_text", quoted);
        out.field("search_result_index", &index.unwrap_or(0));
        out.field("start_block_index", &start);
        out.field("end_block_index", &end);
        return;
    }
    if let Some(url) = &citation.url {
        out.text("type", "web_search_result_location");
        out.field("url", url);
        out.field("title", &citation.title);
        out.field("cited_text", quoted);
        out.text("encrypted_index", "");
        return;
    }
    // Where nobody says which passage it is, it is what is quoted; a document that has no number is the first.
    let whole = || Passage { unit: PassageUnit::Character, start: 0, end: quoted.chars().count() as u64 };
    let Passage { unit, start, end } = citation.passage.unwrap_or_else(whole);
    let (kind, from, to) = match unit {
        PassageUnit::Character => ("char_location", "start_char_index", "end_char_index"),
        PassageUnit::Page => ("page_location", "start_page_number", "end_page_number"),
        PassageUnit::Block => ("content_block_location", "start_block_index", "end_block_index"),
    };
    out.text("type", kind);
    out.field("cited_text", quoted);
    out.field("document_index", &index.unwrap_or(0));
    out.field("document_title", &citation.title.as_ref().or(citation.document.as_ref().filter(|_| index.is_none())));
    out.field("file_id", &());
    out.field(from, &start);
    out.field(to, &end);
}

fn write_thought(out: &mut Object<'_>, thought: &Thought) {
    let token = thought.seal.as_ref().map(|seal| seal.to_token(ANTHROPIC, thought.id.as_deref()));
    if is_redacted(thought) {
        out.text("type", "redacted_thinking");
        out.field("data", &token.unwrap_or_default());
    } else {
        out.text("type", "thinking");
        out.text("thinking", &thought.text);
        out.field("signature", &token.unwrap_or_default());
    }
}

/// Whether nothing of the thought may be seen.
fn is_redacted(thought: &Thought) -> bool {
    thought.text.is_empty() && thought.seal.as_ref().is_some_and(|seal| seal.kind == SealKind::Encrypted)
}

fn write_call(out: &mut Object<'_>, call: &ToolCall) {
    out.text("type", "tool_use");
    out.text("id", &call.id);
    out.text("name", &call.name);
    out.raw("input", &input_of(call));
    // Where another vendor needs something back with the call, it stands where a thought's signature would.
    out.option("signature", call.seal.as_ref().map(|seal| seal.to_token(ANTHROPIC, None)));
}

/// A call's input, which must be an object here: free text and broken JSON stand in one as `input`.
pub(super) fn input_of(call: &ToolCall) -> String {
    let text = call.arguments.trim();
    // No input, as some models and PHP's clients say it.
    if matches!(text, "" | "null" | "[]") && !call.custom {
        return "{}".to_owned();
    }
    if !call.custom && text.starts_with('{') && json::raw(text).is_some() {
        return text.to_owned();
    }
    let wrapped = json::object(|out| out.field("input", &call.arguments));
    String::from_utf8(wrapped).unwrap_or_else(|_| "{}".to_owned())
}

/// Whether a stream's opening `input` says something already.
pub(super) fn is_input(raw: &str) -> bool {
    raw != "null" && !is_empty_object(raw)
}
