//! Requests for providers whose form of this API is narrower than OpenAI's, as far as their rows tell: a role that they do not know, ids
//! of calls that they refuse, fields of messages, a schema for the answer.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::HERE;
use crate::chat::{ChatRequest, Message, OutputFormat, Part, PartBody, Role};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::half::{Accent, Profile};
use crate::json;
use crate::loss::Losses;
use crate::outline::Outline;
use crate::pen::answer;

const DEVELOPER: &str = "developer";
const PREFIX: &str = "prefix";
/// The fields of a message that the writer makes of what the meaning holds.
const NAME: &str = "name";
const SOURCES: &str = "annotations";
const REFUSAL: &str = "refusal";
const THOUGHTS: [&str; 4] = ["reasoning_details", "thinking_blocks", "reasoning_content", "reasoning"];

static ROLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"developer\"").into_owned());
static CALL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"tool_call").into_owned());

/// Whether the provider may refuse that body.
pub(super) fn is_refused(outline: &Outline, body: &Frames, profile: &Profile) -> bool {
    let accent = &profile.accent;
    let developer = accent.developer == Some(false) && body.has(&ROLE);
    let looks = developer || accent.message_fields.is_some() || accent.call_ids.is_some() && body.has(&CALL);
    accent.json_schema == Some(false) && asks_for_schema(outline, body) || looks && has_refused_turn(outline, body, accent)
}

fn asks_for_schema(outline: &Outline, body: &Frames) -> bool {
    #[derive(Deserialize)]
    struct Format {
        r#type: String,
    }
    outline.read::<Format>(body, "response_format").is_ok_and(|format| format.is_some_and(|format| format.r#type == "json_schema"))
}

fn has_refused_turn(outline: &Outline, body: &Frames, accent: &Accent) -> bool {
    let Some(entry) = outline.get("messages") else { return false };
    let raw = body.slice(entry.value.start, entry.value.end);
    let turns: Vec<&RawValue> = serde_json::from_slice(&raw).unwrap_or_default();
    turns.into_iter().any(|turn| is_refused_turn(turn, accent).unwrap_or(false))
}

/// Whether the provider refuses that turn; `None` where it cannot be read.
fn is_refused_turn(turn: &RawValue, accent: &Accent) -> Option<bool> {
    #[derive(Deserialize)]
    struct Call {
        id: Option<String>,
    }
    let mut fields = Fields::nested(turn).ok()?;
    let role: String = fields.take("role").ok()??;
    if role == "tool" {
        fields.take_raw(NAME);
    }
    let calls: Vec<Call> = fields.peek_raw("tool_calls").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let result: Option<String> = fields.peek_raw("tool_call_id").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let ids = calls.iter().filter_map(|call| call.id.as_ref()).chain(&result);
    let misfits = accent.call_ids.is_some_and(|length| ids.into_iter().any(|id| !fits(id, length)));
    let blank = fields.peek_raw("content").is_none_or(|content| matches!(content.get(), "null" | "\"\"" | "[]"));
    let known = accent.message_fields.as_ref().is_none_or(|known| {
        let says = role != "assistant" || !blank || !calls.is_empty();
        says && fields.into_entries().iter().all(|(key, _)| known.contains(key))
    });
    Some(misfits || !known || role == DEVELOPER && accent.developer == Some(false))
}

/// The request as such a provider takes it.
pub(super) fn fit(request: &mut ChatRequest, profile: &Profile, losses: &mut Losses) {
    let accent = &profile.accent;
    if accent.developer == Some(false) {
        let later = request.messages.iter_mut().flat_map(|message| &mut message.parts);
        request.system.iter_mut().chain(later).for_each(rename_role);
    }
    if let Some(length) = accent.call_ids {
        request.messages.iter_mut().flat_map(|message| &mut message.parts).for_each(|part| fit_id(part, length));
    }
    if let Some(known) = &accent.message_fields {
        fit_messages(request, known, losses);
    }
    if let Some(last) = request.messages.last_mut().filter(|last| accent.prefix && is_prefill(last)) {
        let mut extra = if last.extra.from() == Some(HERE) { std::mem::take(&mut last.extra) } else { Extra::new(HERE) };
        extra.remove(PREFIX);
        json::raw("true").into_iter().for_each(|value| extra.push(PREFIX, value));
        last.extra = extra;
    }
}

/// Whether the model takes no schema in that provider's API.
pub(super) fn is_told_schema(profile: &Profile) -> bool {
    profile.json_schema == Some(false) || profile.accent.json_schema == Some(false)
}

/// The request with the schema of its answer told in words, where the provider takes none.
pub(super) fn in_words(request: &ChatRequest, profile: &Profile) -> Option<ChatRequest> {
    let OutputFormat::JsonSchema(schema) = &request.output else { return None };
    is_told_schema(profile).then(|| answer::told(request, &answer::of_schema(schema)))
}

fn rename_role(part: &mut Part) {
    if part.extra.noted(HERE, "role") == Some(DEVELOPER) {
        part.extra.note("role", "system");
    }
}

fn fits(id: &str, length: usize) -> bool {
    id.len() == length && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn fit_id(part: &mut Part, length: usize) {
    let id = match &mut part.body {
        PartBody::ToolCall(call) => &mut call.id,
        PartBody::ToolResult(result) => &mut result.call,
        _ => return,
    };
    if !fits(id, length) {
        *id = checksum(id, length);
    }
}

/// That many letters and digits, the same for the same text.
fn checksum(text: &str, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // Fowler, Noll and Vo's.
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut sum = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    let mut letter = || {
        let letter = LETTERS[usize::try_from(sum % 62).unwrap_or_default()];
        sum /= 62;
        if sum == 0 {
            sum = mix(0xcbf2_9ce4_8422_2325, letter);
        }
        char::from(letter)
    };
    (0..length).map(|_| letter()).collect()
}

/// A turn of the model's that it is to go on with.
fn is_prefill(message: &Message) -> bool {
    message.role == Role::Assistant && !message.parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)))
}

/// Messages of those fields alone, and none that says nothing.
fn fit_messages(request: &mut ChatRequest, known: &[String], losses: &mut Losses) {
    let unknown = |key: &str| !known.iter().any(|known| known == key);
    let mut lost: Vec<String> = Vec::new();
    for message in &mut request.messages {
        let strange: Vec<String> = message.extra.of(HERE).iter().map(|(key, _)| key.clone()).filter(|key| unknown(key)).collect();
        lost.extend(strange.into_iter().filter(|key| message.extra.remove(key)));
        if unknown(NAME) && message.name.take().is_some() {
            lost.push(NAME.to_owned());
        }
        if THOUGHTS.iter().all(|field| unknown(field)) {
            message.extra.forget(super::reasoning::DETAILS);
        }
        message.parts.iter_mut().for_each(|part| fit_part(part, &unknown, &mut lost));
    }
    for part in &mut request.system {
        if unknown(NAME) && part.extra.noted(HERE, NAME).is_some() {
            part.extra.forget(NAME);
            lost.push(NAME.to_owned());
        }
    }
    request.messages.retain(|message| message.role != Role::Assistant || message.parts.iter().any(says));
    lost.into_iter().for_each(|key| losses.dropped(format!("messages.{key}")));
}

fn fit_part(part: &mut Part, unknown: &impl Fn(&str) -> bool, lost: &mut Vec<String>) {
    // A thought that is a part of the content is no field.
    if matches!(part.body, PartBody::Reasoning(_)) && THOUGHTS.iter().all(|field| unknown(field)) {
        part.extra.forget("fields");
    }
    match &mut part.body {
        PartBody::Text { citations, .. } if unknown(SOURCES) && !citations.is_empty() => {
            citations.clear();
            lost.push(SOURCES.to_owned());
        }
        PartBody::Refusal(text) if unknown(REFUSAL) => {
            part.body = PartBody::Text { text: std::mem::take(text), citations: Vec::new() };
        }
        _ => {}
    }
}

/// Whether a part of the model's turn is more than nothing to such a provider.
fn says(part: &Part) -> bool {
    match &part.body {
        PartBody::Text { text, .. } => !text.is_empty(),
        PartBody::Reasoning(_) => part.extra.noted(HERE, "type").is_some(),
        _ => true,
    }
}
