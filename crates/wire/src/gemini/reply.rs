//! A whole answer, both ways.

use serde_json::value::RawValue;

use super::answer::{Answer, reason_of, write_usage};
use super::citation::Sources;
use super::read_events::Reader;
use super::{error, keys::Keys, likelihood, token};
use crate::assemble::Assembly;
use crate::chat::{Media, MediaSource, Part, PartBody, ToolCall};
use crate::dialect::Dialect;
use crate::event::{EventReader, Frame};
use crate::extra::Extra;
use crate::half::{Memo, Stamp};
use crate::json::{self, Array, Object};
use crate::media;
use crate::problem::{Fault, Malformed};
use crate::reply::{ChatReply, Finish, Reason, Usage};
use crate::wave;

/// What the fields of a candidate that the meaning does not know are called in [`Extra`].
const CANDIDATE: &str = "candidate.";
/// The field that says more of why an answer ended.
pub(super) const MESSAGE: &str = "finishMessage";

/// Reads a whole answer: a stream of one chunk.
pub(super) fn read_reply(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let unreadable = |malformed: Malformed| Fault::protocol(&malformed.to_string());
    if let Ok(Answer { error: Some(error), .. }) = serde_json::from_slice(body) {
        return Err(error::fault_in_stream(error));
    }
    let mut reader = Reader::whole(memo.clone());
    let mut events = Vec::new();
    reader.read(Frame::new(body), &mut events).map_err(unreadable)?;
    reader.end_whole(&mut events);
    let mut assembly = Assembly::new();
    events.iter().for_each(|event| assembly.push(event));
    let mut reply = assembly.finish()?;
    // A body that is an array of chunks has no one place for further fields.
    if body.trim_ascii_start().first() == Some(&b'{') {
        read_extra(body, &mut reply).map_err(unreadable)?;
    }
    Ok(reply)
}

fn read_extra(body: &[u8], reply: &mut ChatReply) -> Result<(), Malformed> {
    let mut fields = Keys::scan(body)?;
    for known in ["modelVersion", "responseId", "usageMetadata"] {
        fields.take_raw(known);
    }
    let candidates: Vec<&RawValue> = fields.take("candidates")?.unwrap_or_default();
    reply.extra = fields.rest(Dialect::Gemini);
    let ChatReply { extra, further, .. } = reply;
    let extras = std::iter::once(extra).chain(further.iter_mut().map(|other| &mut other.extra));
    for (raw, extra) in candidates.into_iter().zip(extras) {
        read_candidate_extra(raw, extra)?;
    }
    Ok(())
}

fn read_candidate_extra(raw: &RawValue, extra: &mut Extra) -> Result<(), Malformed> {
    let mut fields = Keys::nested(raw)?;
    for known in ["content", "finishReason", "index"] {
        fields.take_raw(known);
    }
    if extra.from().is_none() {
        *extra = Extra::new(Dialect::Gemini);
    }
    fields.rest(Dialect::Gemini).fields().iter().for_each(|(key, raw)| extra.push(format!("{CANDIDATE}{key}"), raw.clone()));
    Ok(())
}

/// Writes a whole answer.
pub(super) fn write_reply(reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
    let extra = reply.extra.of(Dialect::Gemini);
    let blocked = extra.iter().any(|(key, _)| key == "promptFeedback") && reply.parts.is_empty();
    json::object(|out| {
        if !blocked {
            out.array("candidates", |out| {
                let answers = std::iter::once(reply).chain(&reply.further).enumerate();
                answers.for_each(|(at, answer)| out.object(|out| write_candidate((at, answer), stamp, out)));
            });
        }
        if reply.usage.is_some() || reply.service_tier.is_some() {
            write_usage(reply.usage.as_ref().unwrap_or(&Usage::default()), reply.service_tier.as_deref(), out);
        }
        out.field("modelVersion", reply.model.as_ref().unwrap_or(&stamp.model));
        out.field("responseId", reply.id.as_ref().unwrap_or(&stamp.id));
        for (key, raw) in extra.iter().filter(|(key, _)| !key.starts_with(CANDIDATE)) {
            out.raw(key, raw.get());
        }
    })
}

fn write_candidate((at, reply): (usize, &ChatReply), stamp: &Stamp, out: &mut Object<'_>) {
    out.object("content", |out| {
        out.array("parts", |out| {
            for part in &reply.parts {
                write_part(&part.body, stamp, out);
            }
        });
        out.text("role", "model");
    });
    out.field("finishReason", finish_name(&reply.finish));
    out.field("index", &at);
    let own = reply.extra.of(Dialect::Gemini);
    let fields: Vec<_> = own.iter().filter_map(|(key, raw)| Some((key.strip_prefix(CANDIDATE)?, raw))).collect();
    for (key, raw) in &fields {
        out.raw(key, raw.get());
    }
    if !fields.iter().any(|(key, _)| *key == MESSAGE) {
        out.option(MESSAGE, reply.finish.words.as_ref());
    }
    if !fields.iter().any(|(key, _)| *key == likelihood::RESULT) {
        likelihood::write(out, &reply.likelihoods);
    }
    if !fields.iter().any(|(key, _)| matches!(*key, "groundingMetadata" | "citationMetadata")) {
        sources_of(&reply.parts).write(out);
    }
}

fn sources_of(parts: &[Part]) -> Sources {
    let mut sources = Sources::default();
    for part in parts {
        let from = sources.here();
        match &part.body {
            PartBody::Text { text, citations } => {
                sources.say(text);
                citations.iter().for_each(|citation| sources.cite(from, citation));
            }
            PartBody::Refusal(text) => sources.say(text),
            PartBody::Audio(Media { transcript: Some(text), .. }) => sources.say(text),
            _ => {}
        }
    }
    sources
}

/// Writes one piece of an answer: as one part, none, or for sound as two, since what is said in it stands beside it.
pub(super) fn write_part(body: &PartBody, stamp: &Stamp, out: &mut Array<'_>) {
    match body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => out.object(|out| out.field("text", text)),
        PartBody::Reasoning(thought) => {
            if stamp.hide_reasoning && thought.seal.is_none() {
                return;
            }
            let text = if stamp.hide_reasoning { "" } else { thought.text.as_str() };
            let google = thought.seal.as_ref().is_some_and(|seal| seal.vendor == crate::seal::GOOGLE);
            out.object(|out| {
                out.field("text", text);
                // A signature of Google's without a text belongs to what stands before it.
                if !(text.is_empty() && google) {
                    out.field("thought", &true);
                }
                out.option("thoughtSignature", thought.seal.as_ref().map(|seal| token::write_signature(seal, thought.id.as_deref())));
            });
        }
        PartBody::ToolCall(call) => out.object(|out| write_call(call, out)),
        PartBody::Image(media) => write_media(media, media.media_type.as_deref().or_else(|| image_type(media)), out),
        PartBody::Video(media) | PartBody::File(media) => write_media(media, media.media_type.as_deref(), out),
        PartBody::Audio(media) => {
            if let Some(transcript) = &media.transcript {
                out.object(|out| out.field("text", transcript));
            }
            write_media(media, sound_type(media).as_deref(), out);
        }
        PartBody::Hosted(hosted) if hosted.from == Dialect::Gemini => out.raw(hosted.raw.get()),
        // What another provider ran is not the client's to run.
        PartBody::Hosted(_) | PartBody::ToolResult(_) => {}
    }
}

fn write_call(call: &ToolCall, out: &mut Object<'_>) {
    out.object("functionCall", |out| {
        out.option("id", token::sent_id(&call.id));
        out.field("name", &call.name);
        out.raw("args", &args_of(&call.arguments));
    });
    out.option("thoughtSignature", call.seal.as_ref().map(|seal| token::write_signature(seal, None)));
}

/// A call's arguments as the object that Gemini wants; what is no object (a broken one, or free text) stands under `input`.
pub(super) fn args_of(arguments: &str) -> String {
    let text = arguments.trim();
    // No input, as some models and PHP's clients say it.
    if matches!(text, "" | "null" | "[]") {
        return "{}".to_owned();
    }
    match json::raw(text) {
        Some(raw) if raw.get().starts_with('{') => raw.get().to_owned(),
        Some(_) | None => String::from_utf8(json::object(|out| out.field("input", arguments))).unwrap_or_else(|_| "{}".to_owned()),
    }
}

/// The MIME type of sound: OpenAI says `mp3` at most, and nothing in an answer, where the bytes must tell. What tells nothing is samples.
fn sound_type(media: &Media) -> Option<String> {
    const BEGINNINGS: [(&str, &str); 5] =
        [("SUQz", "audio/mpeg"), ("//", "audio/mpeg"), ("UklGR", "audio/wav"), ("T2dnU", "audio/ogg"), ("ZkxhQ", "audio/flac")];
    match (media.media_type.as_deref(), &media.source) {
        (Some(named), _) if named.contains('/') => Some(named.to_owned()),
        (Some(named), _) => Some(format!("audio/{named}")),
        (None, MediaSource::Base64(data)) => {
            let known = BEGINNINGS.iter().find(|(start, _)| data.starts_with(start)).map(|(_, name)| *name);
            Some(known.unwrap_or(wave::SAMPLES).to_owned())
        }
        (None, _) => None,
    }
}

/// The MIME type of an image, by its bytes.
fn image_type(media: &Media) -> Option<&'static str> {
    if let MediaSource::Base64(data) = &media.source { Some(media::image_type(data)) } else { None }
}

fn write_media(media: &Media, media_type: Option<&str>, out: &mut Array<'_>) {
    match &media.source {
        MediaSource::Base64(data) => out.object(|out| {
            out.object("inlineData", |out| {
                out.option("mimeType", media_type);
                out.field("data", data);
            });
        }),
        MediaSource::Url(uri) | MediaSource::FileId(uri) => out.object(|out| {
            out.object("fileData", |out| {
                out.option("mimeType", media_type);
                out.field("fileUri", uri);
            });
        }),
        MediaSource::Text(text) => out.object(|out| out.field("text", text)),
    }
}

/// The finish reason in Gemini's words: the one Gemini gave, where it did.
pub(super) fn finish_name(finish: &Finish) -> &str {
    if let Some(raw) = finish.raw.as_deref() {
        let is_own =
            raw.starts_with(|letter: char| letter.is_ascii_uppercase()) && !raw.contains(|letter: char| letter.is_ascii_lowercase());
        let called = finish.reason == Reason::ToolCalls;
        if is_own && reason_of(raw, called) == finish.reason {
            return raw;
        }
    }
    match finish.reason {
        Reason::Stop | Reason::StopSequence | Reason::ToolCalls => "STOP",
        Reason::Length => "MAX_TOKENS",
        Reason::ContentFilter | Reason::Refusal => "SAFETY",
        Reason::Pause | Reason::Error | Reason::Other => "OTHER",
    }
}
