//! A whole answer, and the pieces that streams share with it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{HERE, error};
use crate::chat::{Citation, Part, PartBody, Thought, ToolCall};
use crate::fields::Fields;
use crate::half::Memo;
use crate::lenient::{Count, or_default};
use crate::problem::{Fault, Malformed};
use crate::reply::{ChatReply, Finish, Reason, Usage};

#[derive(Deserialize)]
struct Message<'a> {
    content: Option<Vec<Content>>,
    tool_plan: Option<String>,
    tool_calls: Option<Vec<Call>>,
    #[serde(borrow)]
    citations: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

/// A call of a tool.
#[derive(Deserialize)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

/// The tool and its input.
#[derive(Deserialize)]
pub(super) struct Function {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) name: String,
    pub(super) arguments: Option<String>,
}

/// Reads a whole answer.
pub(super) fn read(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let mut fields = Fields::scan(body).map_err(|why| Fault::protocol(&why.to_string()))?;
    let Some(raw) = fields.take_raw("message").filter(|raw| raw.get().starts_with('{')) else {
        return Err(error::in_place(body).unwrap_or_else(|| Fault::protocol("an answer without a message")));
    };
    let reply = read_fields(memo, fields, raw).map_err(|why| Fault::protocol(&why.to_string()))?;
    if reply.finish.raw.as_deref() == Some("ERROR") {
        return Err(error::in_answer(None, None, body));
    }
    Ok(reply)
}

fn read_fields(memo: &Memo, mut fields: Fields<'_>, raw: &RawValue) -> Result<ChatReply, Malformed> {
    let message: Message<'_> = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("message", &error.to_string()))?;
    let mut reply = ChatReply { id: fields.take("id")?, ..ChatReply::default() };
    // Citations name the content they belong to by its place, empty pieces counted.
    let mut places = Vec::new();
    for content in message.content.into_iter().flatten() {
        places.push(reply.parts.len());
        let body = match (content.text, content.thinking) {
            (Some(text), _) if !text.is_empty() => PartBody::Text { text, citations: Vec::new() },
            (_, Some(text)) if !text.is_empty() => PartBody::Reasoning(Thought { text, ..Thought::default() }),
            _ => continue,
        };
        reply.parts.push(Part::new(body));
    }
    for raw in message.citations.into_iter().flatten() {
        cite(&mut reply.parts, &places, raw);
    }
    if let Some(text) = message.tool_plan.filter(|text| !text.is_empty()) {
        reply.parts.push(Part::new(PartBody::Reasoning(Thought { text, ..Thought::default() })));
    }
    let mut calls = false;
    for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
        calls = true;
        let id = call.id.unwrap_or_else(|| format!("call_{at}"));
        let arguments = arguments(call.function.arguments.unwrap_or_default());
        let call = ToolCall { id, name: call.function.name, arguments, ..ToolCall::default() };
        reply.parts.push(Part::new(PartBody::ToolCall(call)));
    }
    reply.finish = finish(memo, fields.take("finish_reason")?, calls);
    reply.usage = fields.take_raw("usage").and_then(read_usage);
    reply.extra = fields.rest(HERE);
    Ok(reply)
}

/// Tools without input are called with `null` or nothing; everywhere else that is an empty object.
pub(super) fn arguments(text: String) -> String {
    if matches!(text.trim(), "" | "null") { "{}".to_owned() } else { text }
}

fn cite(parts: &mut [Part], places: &[usize], raw: &RawValue) {
    let Some(found) = read_citations(raw) else { return };
    let is_text = |part: &Part| matches!(part.body, PartBody::Text { .. });
    let named = found.content.and_then(|index| places.get(index).copied()).filter(|at| parts.get(*at).is_some_and(is_text));
    let Some(at) = named.or_else(|| parts.iter().position(is_text)) else { return };
    if let Some(Part { body: PartBody::Text { citations, .. }, .. }) = parts.get_mut(at) {
        citations.extend(found.sources);
    }
}

/// The sources named for one place in an answer.
pub(super) struct Cited {
    /// The content, where it is said.
    pub(super) content: Option<usize>,
    pub(super) sources: Vec<Citation>,
}

/// Reads a citation: one for each of its sources. `None` for those of plans and thoughts.
pub(super) fn read_citations(raw: &RawValue) -> Option<Cited> {
    #[derive(Deserialize)]
    struct Entry {
        start: Count,
        end: Count,
        #[serde(default, deserialize_with = "or_default")]
        sources: Vec<Source>,
        content_index: Count,
        r#type: Option<String>,
    }
    #[derive(Deserialize)]
    struct Source {
        id: Option<String>,
        document: Option<Document>,
    }
    #[derive(Deserialize)]
    struct Document {
        title: Option<String>,
        url: Option<String>,
        text: Option<String>,
        snippet: Option<String>,
    }
    let entry: Entry = serde_json::from_str(raw.get()).ok()?;
    if entry.r#type.is_some_and(|kind| kind != "TEXT_CONTENT") {
        return None;
    }
    let place = || Citation { start: *entry.start, end: *entry.end, raw: Some((HERE, raw.to_owned())), ..Citation::default() };
    let source = |source: Source| {
        let (title, url, text) =
            source.document.map_or((None, None, None), |document| (document.title, document.url, document.text.or(document.snippet)));
        Citation { title, url, cited_text: text, document: source.id, ..place() }
    };
    let mut sources: Vec<Citation> = entry.sources.into_iter().map(source).collect();
    if sources.is_empty() {
        sources.push(place());
    }
    Some(Cited { content: entry.content_index.and_then(|at| usize::try_from(at).ok()), sources })
}

/// Reads the counts; what is billed says less than what was used.
pub(super) fn read_usage(raw: &RawValue) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Report {
        tokens: Option<Counts>,
        billed_units: Option<Counts>,
        cached_tokens: Count,
    }
    #[derive(Deserialize)]
    struct Counts {
        input_tokens: Count,
        output_tokens: Count,
        reasoning_tokens: Count,
    }
    let report: Report = serde_json::from_str::<Option<Report>>(raw.get()).ok()??;
    let counts = report.tokens.or(report.billed_units)?;
    Some(Usage {
        input: *counts.input_tokens,
        output: *counts.output_tokens,
        reasoning: *counts.reasoning_tokens,
        cache_read: *report.cached_tokens,
        raw: Some((HERE, raw.to_owned())),
        ..Usage::default()
    })
}

/// Why the answer ended.
pub(super) fn finish(memo: &Memo, raw: Option<String>, calls: bool) -> Finish {
    let reason = match raw.as_deref() {
        Some("TOOL_CALL" | "COMPLETE") if calls => Reason::ToolCalls,
        Some("TOOL_CALL") => Reason::ToolCalls,
        Some("COMPLETE") => Reason::Stop,
        Some("STOP_SEQUENCE") => Reason::StopSequence,
        Some("MAX_TOKENS" | "ERROR_LIMIT") => Reason::Length,
        Some("ERROR_TOXIC" | "CONTENT_FILTERED") => Reason::ContentFilter,
        Some("ERROR" | "TIMEOUT") => Reason::Error,
        Some(_) | None => Reason::Other,
    };
    // Which stop sequence was met is not said; of one it need not be.
    let only = memo.stop.first().filter(|_| memo.stop.len() == 1 && reason == Reason::StopSequence);
    Finish { reason, raw, stop_sequence: only.cloned(), words: None }
}
