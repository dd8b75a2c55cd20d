//! The turns of a request for Gemini.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::read_parts::{is_stored_file, is_youtube};
use super::reply::args_of;
use super::token;
use crate::chat::{Media, MediaSource, Message, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::pen::knob;
use crate::problem::Unsupported;
use crate::seal;

/// What Google documents for calls that no model of its own made, where a model insists on a signature.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes turns one after the other.
#[derive(Debug)]
pub(super) struct TurnWriter<'a> {
    /// Tools under other names: (name sent, name of the client's).
    pub(super) renamed: &'a [(String, String)],
    /// Whether the model is of the generation that insists on signatures and takes media in results.
    pub(super) signs: bool,
    pub(super) losses: &'a mut Losses,
    calls: Vec<(String, String)>,
}

type Written = Result<Vec<String>, Unsupported>;

impl<'a> TurnWriter<'a> {
    pub(super) fn new(renamed: &'a [(String, String)], signs: bool, losses: &'a mut Losses) -> Self {
        Self { renamed, signs, losses, calls: Vec::new() }
    }

    /// The parts of one turn, each as JSON.
    pub(super) fn message(&mut self, message: &Message, at: usize) -> Written {
        let here = format!("messages[{at}]");
        if message.name.is_some() {
            self.losses.dropped(format!("{here}.name"));
        }
        self.foreign(&message.extra, &here);
        let unsigned = self.signs && message.role == Role::Assistant && !has_signed_call(message);
        let mut first_call = true;
        let mut out = Vec::new();
        for part in &message.parts {
            if let PartBody::ToolCall(call) = &part.body {
                self.foreign(&part.extra, &here);
                let stand_in = unsigned && std::mem::take(&mut first_call);
                self.call(call, part, stand_in, &mut out);
            } else {
                self.part(part, &here, &mut out)?;
            }
        }
        Ok(out)
    }

    /// One part that is no call, as JSON: none, one or several.
    pub(super) fn part(&mut self, part: &Part, here: &str, out: &mut Vec<String>) -> Result<(), Unsupported> {
        self.foreign(&part.extra, here);
        match &part.body {
            PartBody::Text { text, citations } => {
                if knob::has_foreign(citations, Dialect::Gemini) {
                    self.losses.dropped(format!("{here}.citations"));
                }
                if !text.is_empty() || part.extra.from() == Some(Dialect::Gemini) {
                    out.push(part_with(part, |out| out.field("text", text)));
                }
            }
            PartBody::Refusal(text) if text.is_empty() => {}
            PartBody::Refusal(text) => out.push(part_with(part, |out| out.field("text", text))),
            PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => {
                out.push(self.media(media, part, here)?);
            }
            PartBody::Reasoning(thought) => self.thought(thought, part, out),
            PartBody::ToolCall(call) => self.call(call, part, false, out),
            PartBody::ToolResult(result) => self.result(result, part, here, out)?,
            PartBody::Hosted(hosted) if hosted.from == Dialect::Gemini => out.push(hosted.raw.get().to_owned()),
            PartBody::Hosted(hosted) => self.losses.add(format!("{here}.{}", hosted.kind), Why::Approximated),
        }
        Ok(())
    }

    fn foreign(&mut self, extra: &Extra, here: &str) {
        knob::foreign(extra, Dialect::Gemini).for_each(|key| self.losses.dropped(format!("{here}.{key}")));
    }

    fn thought(&mut self, thought: &Thought, part: &Part, out: &mut Vec<String>) {
        let signature = thought.seal.as_ref().and_then(|sealed| sealed.open(seal::GOOGLE));
        let own = part.extra.from() == Some(Dialect::Gemini) && thought.seal.is_none();
        if signature.is_none() && !own && (thought.seal.is_some() || thought.text.is_empty()) {
            self.losses.add("reasoning", Why::Approximated);
        }
        if signature.is_none() && !own && thought.text.is_empty() {
            return;
        }
        out.push(part_with(part, |out| {
            out.field("text", &thought.text);
            if !thought.text.is_empty() {
                out.field("thought", &true);
            }
            out.option("thoughtSignature", signature);
        }));
    }

    fn call(&mut self, call: &ToolCall, part: &Part, stand_in: bool, out: &mut Vec<String>) {
        self.calls.push((call.id.clone(), call.name.clone()));
        let mut signature = call.seal.as_ref().and_then(|sealed| sealed.open(seal::GOOGLE));
        if signature.is_none() && stand_in {
            self.losses.add("thought_signature", Why::Approximated);
            signature = Some(NO_SIGNATURE);
        }
        let name = self.sent_name(&call.name);
        out.push(part_with(part, |out| {
            out.object("functionCall", |out| {
                out.option("id", token::sent_id(&call.id));
                out.field("name", &name);
                out.raw("args", &args_of(&call.arguments));
                write_inner(out, part, "functionCall");
            });
            out.option("thoughtSignature", signature);
        }));
    }

    fn sent_name(&self, name: &str) -> String {
        self.renamed.iter().find(|(_, own)| own == name).map_or_else(|| name.to_owned(), |(sent, _)| sent.clone())
    }

    fn result(&mut self, result: &ToolResult, part: &Part, here: &str, out: &mut Vec<String>) -> Result<(), Unsupported> {
        let called = self.calls.iter().rev().find(|(id, _)| *id == result.call).map(|(_, name)| name.clone());
        let Some(name) = result.name.clone().or(called) else {
            let why = format!("no call of the id `{}` stands before the tool's result, so the tool's name is not known", result.call);
            return Err(Unsupported::new(format!("{here}.tool_call_id"), Dialect::Gemini, why));
        };
        let name = self.sent_name(&name);
        let mut text = String::new();
        let mut media = Vec::new();
        for inner in &result.parts {
            match &inner.body {
                PartBody::Text { text: more, .. } | PartBody::Refusal(more) => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(more);
                }
                _ => self.part(inner, here, &mut media)?,
            }
        }
        let inside = self.signs || part.extra.from() == Some(Dialect::Gemini);
        out.push(part_with(part, |out| {
            out.object("functionResponse", |out| {
                out.option("id", token::sent_id(&result.call));
                out.field("name", &name);
                out.raw("response", &response_of(&text, result.is_error));
                if inside && !media.is_empty() {
                    out.array("parts", |out| media.iter().for_each(|part| out.raw(part)));
                }
                write_inner(out, part, "functionResponse");
            });
        }));
        if !inside {
            // Models that take no media in a result take them beside it.
            out.append(&mut media);
        }
        Ok(())
    }

    fn media(&mut self, media: &Media, part: &Part, here: &str) -> Result<String, Unsupported> {
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.losses.dropped("detail");
        }
        if media.name.is_some() && part.extra.from() != Some(Dialect::Gemini) {
            self.losses.dropped(format!("{here}.{}", if part.extra.from() == Some(Dialect::Anthropic) { "title" } else { "filename" }));
        }
        let unsupported = |why: &str| Err(Unsupported::new(format!("{here}.content"), Dialect::Gemini, why));
        let inline = |media_type: Option<String>, data: &str| match media_type {
            Some(media_type) => Ok(part_with(part, |out| {
                out.object("inlineData", |out| {
                    out.field("mimeType", &media_type);
                    out.field("data", data);
                    if part.extra.from() == Some(Dialect::Gemini) {
                        out.option("displayName", media.name.as_ref());
                    }
                });
            })),
            None => unsupported("the media type is not known"),
        };
        match &media.source {
            MediaSource::Base64(data) => inline(media_type_of(media, data), data),
            MediaSource::Text(text) => inline(Some("text/plain".to_owned()), &STANDARD.encode(text)),
            MediaSource::Url(url) if url.starts_with("data:") => match data_url(url) {
                Some((media_type, data)) => inline(media_type_of(&Media { media_type, ..media.clone() }, data), data),
                None => unsupported("the data URL is not in base64"),
            },
            MediaSource::Url(uri) | MediaSource::FileId(uri) => {
                let own = part.extra.from() == Some(Dialect::Gemini);
                if !own && !uri.starts_with("gs://") && !is_youtube(uri) && !is_stored_file(uri) {
                    return unsupported("Gemini takes bytes, files of its own store, `gs:` URIs and YouTube; nothing else is fetched");
                }
                Ok(part_with(part, |out| {
                    out.object("fileData", |out| {
                        out.option("mimeType", media.media_type.as_ref());
                        out.field("fileUri", uri);
                        out.option("displayName", media.name.as_ref().filter(|_| own));
                    });
                }))
            }
        }
    }
}

fn has_signed_call(message: &Message) -> bool {
    let signed = |part: &Part| match &part.body {
        PartBody::ToolCall(call) => call.seal.as_ref().is_some_and(|sealed| sealed.open(seal::GOOGLE).is_some()),
        _ => false,
    };
    message.parts.iter().any(signed)
}

/// A part as JSON, with the fields that only Gemini knows.
fn part_with(part: &Part, write: impl FnOnce(&mut Object<'_>)) -> String {
    let bytes = json::object(|out| {
        write(out);
        let beside = part.extra.of(Dialect::Gemini).iter().filter(|(key, _)| !key.contains('.'));
        beside.for_each(|(key, value)| out.raw(key, value.get()));
    });
    String::from_utf8(bytes).unwrap_or_else(|_| "{}".to_owned())
}

/// The fields that only Gemini knows of what the part holds as `member`.
fn write_inner(out: &mut Object<'_>, part: &Part, member: &str) {
    for (key, value) in part.extra.of(Dialect::Gemini) {
        if let Some(("", key)) = key.strip_prefix(member).and_then(|rest| rest.split_once('.')) {
            out.raw(key, value.get());
        }
    }
}

/// A tool's answer as the object that Gemini wants: as it is where it is one, else under the key that Gemini documents.
fn response_of(text: &str, is_error: bool) -> String {
    let raw = json::raw(text.trim());
    if let Some(raw) = &raw
        && raw.get().starts_with('{')
        && (!is_error || raw.get().contains("\"error\""))
    {
        return raw.get().to_owned();
    }
    let key = if is_error { "error" } else { "output" };
    let bytes = json::object(|out| match &raw {
        Some(raw) if raw.get().starts_with(['{', '[']) => out.raw(key, raw.get()),
        Some(_) | None => out.field(key, text),
    });
    String::from_utf8(bytes).unwrap_or_else(|_| "{}".to_owned())
}

/// The type and the base64 of a data URL.
fn data_url(url: &str) -> Option<(Option<String>, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next().filter(|name| !name.is_empty());
    Some((media_type.map(str::to_owned), data))
}

/// The media type as sent, or as the first bytes tell.
fn media_type_of(media: &Media, data: &str) -> Option<String> {
    if let Some(name) = &media.media_type {
        return Some(if name.contains('/') { name.clone() } else { format!("audio/{name}") });
    }
    let known =
        [("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("JVBERi", "application/pdf"), ("SUQz", "audio/mp3")];
    known.iter().find(|(start, _)| data.starts_with(start)).map(|(_, name)| (*name).to_owned())
}

/// Turns merged so that roles alternate, as JSON: (role, parts).
pub(super) fn merge(turns: &mut Vec<(&'static str, Vec<String>)>, role: &'static str, mut parts: Vec<String>) {
    match turns.last_mut() {
        _ if parts.is_empty() => {}
        Some((last, known)) if *last == role => known.append(&mut parts),
        _ => turns.push((role, parts)),
    }
}
