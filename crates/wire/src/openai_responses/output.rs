//! Output items, written for a client: the same in a whole answer and at the end of a stream.

use std::sync::LazyLock;

use super::DIALECT;
use super::items::CALL_SEAL;
use super::write_content::{Side, write_own, write_piece};
use super::write_input::write_thought_texts;
use super::{echo, error};
use crate::chat::{Media, MediaSource, Part, PartBody, Thought, ToolCall};
use crate::dialect::Flavor;
use crate::extra::Extra;
use crate::half::Stamp;
use crate::json::{Object, write_array, write_object};
use crate::media::image_type;
use crate::openai::OF_MESSAGE;
use crate::openai_chat::error::error_type;
use crate::problem::Problem;
use crate::seal::{MARK, OPENAI, Sealed};

/// Names items after the answer they belong to. The mark in the name tells that no provider knows it.
#[derive(Debug)]
pub(super) struct Ids {
    stem: String,
    next: u32,
}

impl Ids {
    /// Names below that of the answer.
    pub(super) fn new(stem: &str) -> Self {
        Self { stem: stem.to_owned(), next: 0 }
    }

    /// The next name.
    pub(super) fn next(&mut self, prefix: &str) -> String {
        let id = format!("{prefix}_{MARK}{}_{}", self.stem, self.next);
        self.next += 1;
        id
    }
}

/// The id of an answer: the provider's where it is one of this API's.
pub(super) fn response_id(given: Option<&str>, stamp: &str) -> String {
    match given {
        Some(id) if id.starts_with("resp_") => id.to_owned(),
        _ => format!("resp_{stamp}"),
    }
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// More of it comes.
    InProgress,
    /// It is whole.
    Completed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
        }
    }
}

/// Writes all of an answer's items, as one array.
pub(super) fn write_output(parts: &[Part], ids: &mut Ids, stamp: &Stamp) -> Vec<u8> {
    let summaries = echo::asks_for_summaries(&stamp.echo);
    let mut out = vec![b'['];
    let mut rest = parts;
    let mut image_told = false;
    while let Some((first, more)) = rest.split_first() {
        let mark = out.len();
        if mark > 1 {
            out.push(b',');
        }
        let start = out.len();
        let mut taken = 1;
        let mut told = false;
        match &first.body {
            PartBody::Text { .. } | PartBody::Refusal(_) | PartBody::Audio(_) => {
                let own = |part: &Part| part.extra.of(DIALECT).iter().any(|(key, _)| key.starts_with(OF_MESSAGE));
                taken = 1 + more.iter().take_while(|part| is_said(part) && !own(part)).count();
                let id = own_id(&first.extra, "message.id").unwrap_or_else(|| ids.next("msg"));
                write_message(&mut out, &id, Status::Completed, &rest[..taken]);
            }
            PartBody::Reasoning(thought) => {
                taken = count_thoughts(thought, rest);
                if !stamp.hide_reasoning {
                    let thoughts = rest[..taken].iter().filter_map(thought_of);
                    let seal = thoughts.clone().filter_map(|thought| thought.seal.as_ref()).next_back();
                    let id = thought.id.clone().unwrap_or_else(|| ids.next("rs"));
                    let token = seal.map(|seal| seal.to_token(OPENAI, thought.id.as_deref()));
                    let all = summaries && thought.id.is_none();
                    write_thoughts(&mut out, &id, thoughts, (all, token.as_deref()), &rest[taken - 1].extra);
                }
            }
            PartBody::ToolCall(call) => {
                let id = own_id(&first.extra, "id").unwrap_or_else(|| ids.next("fc"));
                write_call(&mut out, &id, Status::Completed, call, &first.extra);
                if let Some(seal) = &call.seal {
                    out.push(b',');
                    write_call_seal(&mut out, &ids.next("rs"), &call.id, seal);
                }
            }
            PartBody::Hosted(hosted) if hosted.from == DIALECT => {
                out.extend_from_slice(hosted.raw.get().as_bytes());
                told = hosted.kind == "image_generation_call";
            }
            PartBody::Image(media) if !image_told => write_image(&mut out, &ids.next("ig"), media),
            PartBody::Image(_) | PartBody::Hosted(_) | PartBody::Video(_) | PartBody::File(_) | PartBody::ToolResult(_) => {}
        }
        if out.len() == start {
            out.truncate(mark);
        }
        image_told = told;
        rest = &rest[taken..];
    }
    out.push(b']');
    out
}

/// How many of the parts are one reasoning item: thoughts with one id.
fn count_thoughts(first: &Thought, parts: &[Part]) -> usize {
    let same = |part: &&Part| thought_of(part).is_some_and(|thought| thought.id.is_some() && thought.id == first.id);
    parts.iter().take_while(same).count().max(1)
}

fn thought_of(part: &Part) -> Option<&Thought> {
    match &part.body {
        PartBody::Reasoning(thought) => Some(thought),
        _ => None,
    }
}

fn is_said(part: &Part) -> bool {
    matches!(part.body, PartBody::Text { .. } | PartBody::Refusal(_) | PartBody::Audio(_))
}

/// The id that the provider gave.
fn own_id(extra: &Extra, key: &str) -> Option<String> {
    let (_, raw) = extra.of(DIALECT).iter().find(|(known, _)| known == key)?;
    serde_json::from_str(raw.get()).ok()
}

/// Writes a message with those pieces.
pub(super) fn write_message(out: &mut Vec<u8>, id: &str, status: Status, parts: &[Part]) {
    let mut content = vec![b'['];
    for part in parts {
        let mark = content.len();
        if mark > 1 {
            content.push(b',');
        }
        if !write_said(&mut content, part) {
            content.truncate(mark);
        }
    }
    content.push(b']');
    let extra = parts.first().map(|part| &part.extra);
    let more = extra.map(|extra| extra.of(DIALECT)).unwrap_or_default();
    let more = more.iter().filter_map(|(key, value)| Some((key.strip_prefix(OF_MESSAGE)?, value)));
    write_object(out, |object| {
        object.field("id", id);
        object.text("type", "message");
        if !more.clone().any(|(key, _)| key == "status") {
            object.field("status", status.as_str());
        }
        object.raw("content", std::str::from_utf8(&content).unwrap_or("[]"));
        object.text("role", "assistant");
        for (key, value) in more.filter(|(key, _)| !matches!(*key, "id" | "type" | "role")) {
            object.raw(key, value.get());
        }
    });
}

/// Writes one piece of what the model says. Sound has no form here; its transcript has. Whether there was something to write.
pub(super) fn write_said(out: &mut Vec<u8>, part: &Part) -> bool {
    let spoken;
    let part = match &part.body {
        PartBody::Audio(media) => {
            spoken = Part::text(media.transcript.clone().unwrap_or_default());
            &spoken
        }
        _ => part,
    };
    write_piece(out, part, Side::Output).is_ok()
}

/// Writes a call.
pub(super) fn write_call(out: &mut Vec<u8>, id: &str, status: Status, call: &ToolCall, extra: &Extra) {
    write_object(out, |object| {
        object.field("id", id);
        object.field("type", if call.custom { "custom_tool_call" } else { "function_call" });
        if !extra.of(DIALECT).iter().any(|(key, _)| key == "status") {
            object.field("status", status.as_str());
        }
        object.field(if call.custom { "input" } else { "arguments" }, &call.arguments);
        object.field("call_id", &call.id);
        object.field("name", &call.name);
        object.option("namespace", call.namespace.as_ref());
        for (key, value) in extra.of(DIALECT).iter().filter(|(key, _)| key != "id") {
            object.raw(key, value.get());
        }
    });
}

/// Writes a reasoning item; `summaries`: whatever is in it is told as one.
pub(super) fn write_thoughts<'t>(
    out: &mut Vec<u8>,
    id: &str,
    thoughts: impl Iterator<Item = &'t Thought> + Clone,
    (summaries, encrypted): (bool, Option<&str>),
    extra: &Extra,
) {
    write_object(out, |object| {
        object.field("id", id);
        object.field("type", "reasoning");
        write_thought_texts(object, thoughts, summaries);
        object.option("encrypted_content", encrypted);
        write_own(object, extra);
    });
}

/// Writes the item that carries the seal of a call: a reasoning item without a text, which clients send back as they do any other.
pub(super) fn write_call_seal(out: &mut Vec<u8>, id: &str, call: &str, seal: &Sealed) {
    let token = seal.to_token(OPENAI, Some(&format!("{CALL_SEAL}{call}")));
    write_thoughts(out, id, std::iter::empty(), (false, Some(&token)), &Extra::default());
}

/// Writes an image that the model made.
pub(super) fn write_image(out: &mut Vec<u8>, id: &str, media: &Media) {
    write_object(out, |object| {
        object.field("id", media.id.as_deref().unwrap_or(id));
        object.text("type", "image_generation_call");
        object.text("status", "completed");
        match &media.source {
            MediaSource::Base64(data) => {
                let media_type = media.media_type.as_deref().unwrap_or_else(|| image_type(data));
                object.option("output_format", media_type.strip_prefix("image/"));
                object.field("result", data);
            }
            MediaSource::Url(place) | MediaSource::FileId(place) | MediaSource::Text(place) => object.field("result", place),
        }
    });
}

/// What a client is told of a whole answer.
pub(super) struct Response<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// When it began.
    pub(super) created: u64,
    /// Who answered.
    pub(super) model: &'a str,
    /// How far it is.
    pub(super) status: &'a str,
    /// Why it is incomplete.
    pub(super) incomplete: Option<&'a str>,
    /// Its items, as an array.
    pub(super) output: &'a [u8],
    /// The tier that served it.
    pub(super) service_tier: Option<&'a str>,
    /// What its request said that it repeats.
    pub(super) echo: &'a [(&'static str, String)],
    /// What else the provider said.
    pub(super) extra: &'a Extra,
    /// What it failed of, and whose client is told.
    pub(super) failed: Option<(&'a Problem, Flavor)>,
}

impl<'a> Response<'a> {
    /// An answer of which nothing else is known.
    pub(super) fn new(id: &'a str, model: &'a str, created: u64) -> Self {
        static NONE: LazyLock<Extra> = LazyLock::new(Extra::default);
        Self {
            id,
            created,
            model,
            status: "completed",
            incomplete: None,
            output: b"[]",
            service_tier: None,
            echo: &[],
            extra: &NONE,
            failed: None,
        }
    }
}

/// Writes the response object, but for its usage.
pub(super) fn write_response(object: &mut Object<'_>, response: &Response<'_>) {
    object.field("id", response.id);
    object.text("object", "response");
    object.field("created_at", &response.created);
    object.field("status", if response.failed.is_some() { "failed" } else { response.status });
    match response.failed {
        Some((problem, flavor)) => {
            object.object("error", |error| {
                error.field("code", error::code_of(problem));
                error.field("message", &error::told(problem, flavor));
            });
            if flavor == Flavor::OpenRouter {
                object.text("error_type", error_type(problem));
            }
        }
        None => object.raw("error", "null"),
    }
    match response.incomplete {
        Some(reason) => object.object("incomplete_details", |details| details.field("reason", reason)),
        None => object.raw("incomplete_details", "null"),
    }
    object.field("model", response.model);
    object.raw("output", std::str::from_utf8(response.output).unwrap_or("[]"));
    object.option("service_tier", response.service_tier);
    for (key, value) in echo::fields(response.echo) {
        if !response.extra.of(DIALECT).iter().any(|(known, _)| known == key) {
            object.raw(key, value);
        }
    }
    object.extra(response.extra, DIALECT);
}

/// The finished items of a stream as one array.
pub(super) fn join(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(&mut out, |array| {
        for item in items.iter().filter(|item| !item.is_empty()) {
            array.raw(std::str::from_utf8(item).unwrap_or("null"));
        }
    });
    out
}
