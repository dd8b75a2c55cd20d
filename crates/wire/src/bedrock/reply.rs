//! A whole answer, and the pieces that streams share with it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{HERE, error, sealer};
use crate::chat::{Citation, Cited, Hosted, Media, MediaSource, Part, PartBody, Passage, PassageUnit, Thought, ToolCall, page_or_document};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::Memo;
use crate::lenient::{Count, or_default};
use crate::problem::{Fault, Malformed};
use crate::reply::{ChatReply, Finish, Reason, Usage};
use crate::seal::Sealed;

/// Reads a whole answer.
pub(super) fn read(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let mut fields = Fields::scan(body).map_err(|why| Fault::protocol(&why.to_string()))?;
    let Some(output) = fields.take_raw("output").filter(|raw| raw.get() != "null") else {
        return Err(error::in_success(body).unwrap_or_else(|| Fault::protocol("an answer without output")));
    };
    read_fields(memo, fields, output).map_err(|why| Fault::protocol(&why.to_string()))
}

fn read_fields(memo: &Memo, mut fields: Fields<'_>, output: &RawValue) -> Result<ChatReply, Malformed> {
    let message = Fields::nested(output)?.take_raw("message").ok_or_else(|| Malformed::field("output.message", "is missing"))?;
    let blocks: Vec<&RawValue> = Fields::nested(message)?.take("content")?.unwrap_or_default();
    let mut reply = ChatReply::default();
    let mut calls = Calls::default();
    for block in blocks {
        reply.parts.extend(read_block(memo, block, &mut calls).map_err(|why| why.within("output.message.content"))?);
    }
    let raw: Option<String> = fields.take("stopReason")?;
    let additional = fields.take_raw("additionalModelResponseFields");
    reply.finish = finish(memo, raw, calls, additional);
    reply.usage = fields.take_raw("usage").and_then(read_usage);
    reply.service_tier = fields.take_raw("serviceTier").and_then(read_tier);
    let mut extra = Extra::new(HERE);
    for (key, value) in fields.rest(HERE).fields().iter().filter(|(key, _)| key != "metrics") {
        extra.push(key, value.clone());
    }
    if let Some(additional) = additional.filter(|raw| raw.get() != "null") {
        extra.push("additionalModelResponseFields", additional.to_owned());
    }
    reply.extra = extra;
    Ok(reply)
}

/// What an answer's calls mean for its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    /// The client is to run something.
    pub(super) client: bool,
    /// The answer itself came as a call.
    pub(super) json: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningContent {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    #[serde(default, deserialize_with = "or_default")]
    text: String,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct CitationsContent<'a> {
    #[serde(default, deserialize_with = "or_default")]
    content: Vec<CitedText>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    citations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default, deserialize_with = "or_default")]
    text: String,
}

#[derive(Deserialize)]
struct MediaBlock {
    format: Option<String>,
    name: Option<String>,
    source: MediaSourceBlock,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaSourceBlock {
    bytes: Option<String>,
    s3_location: Option<S3Location>,
}

#[derive(Deserialize)]
struct S3Location {
    uri: String,
}

fn read_block(memo: &Memo, raw: &RawValue, calls: &mut Calls) -> Result<Option<Part>, Malformed> {
    let mut fields = Fields::nested(raw)?;
    if let Some(text) = fields.take::<String>("text")? {
        return Ok((!text.is_empty()).then(|| Part::text(text)));
    }
    if let Some(call) = fields.take::<ToolUse<'_>>("toolUse")? {
        return Ok(Some(Part::new(read_call(memo, call, raw, calls))));
    }
    if let Some(content) = fields.take::<ReasoningContent>("reasoningContent")? {
        return Ok(Some(Part::new(PartBody::Reasoning(read_thought(memo, content)))));
    }
    if let Some(cited) = fields.take::<CitationsContent<'_>>("citationsContent")? {
        let text: String = cited.content.into_iter().map(|piece| piece.text).collect();
        let mut sources = Cited::default();
        sources.say(&text);
        cited.citations.into_iter().filter_map(read_citation).for_each(|citation| sources.cite(citation));
        return Ok(Some(Part::new(PartBody::Text { text, citations: sources.whole().collect() })));
    }
    for (key, wrap) in MEDIA {
        if let Some(block) = fields.take::<MediaBlock>(key)? {
            return Ok(read_media(key, block).map(|media| Part::new(wrap(media))));
        }
    }
    Ok(Some(Part::new(PartBody::Hosted(read_hosted(raw, fields)))))
}

type Wrap = fn(Media) -> PartBody;

const MEDIA: [(&str, Wrap); 4] =
    [("image", PartBody::Image), ("audio", PartBody::Audio), ("video", PartBody::Video), ("document", PartBody::File)];

fn read_call(memo: &Memo, call: ToolUse<'_>, raw: &RawValue, calls: &mut Calls) -> PartBody {
    if let Some(kind) = call.r#type.filter(|kind| kind == SERVER_TOOL) {
        return PartBody::Hosted(Hosted { from: HERE, kind, id: Some(call.tool_use_id), raw: raw.to_owned() });
    }
    let arguments = call.input.map_or("{}", RawValue::get).to_owned();
    if memo.json_tool.as_ref() == Some(&call.name) {
        calls.json = true;
        return PartBody::Text { text: arguments, citations: Vec::new() };
    }
    calls.client = true;
    PartBody::ToolCall(ToolCall {
        id: call.tool_use_id,
        name: client_name(memo, call.name),
        arguments,
        custom: false,
        namespace: None,
        seal: None,
    })
}

/// The type of a call that Bedrock answers itself.
pub(super) const SERVER_TOOL: &str = "server_tool_use";

/// A tool's name in the client's words.
pub(super) fn client_name(memo: &Memo, sent: String) -> String {
    memo.renamed.iter().find(|(name, _)| *name == sent).map_or(sent, |(_, client)| client.clone())
}

fn read_thought(memo: &Memo, content: ReasoningContent) -> Thought {
    let vendor = sealer(memo.vendor.as_deref());
    let (text, signature) = content.reasoning_text.map_or_else(Default::default, |thought| (thought.text, thought.signature));
    let seal = signature.filter(|text| !text.is_empty()).map(|signature| Sealed::signature(vendor, signature));
    let seal = seal.or_else(|| content.redacted_content.map(|bytes| Sealed::encrypted(vendor, bytes)));
    Thought { text, seal, ..Thought::default() }
}

fn read_media(key: &str, block: MediaBlock) -> Option<Media> {
    let source = match (block.source.bytes, block.source.s3_location) {
        (Some(bytes), _) => MediaSource::Base64(bytes),
        (None, Some(place)) => MediaSource::Url(place.uri),
        (None, None) => return None,
    };
    let kind = if key == "document" { "application" } else { key };
    let mut media = Media::new(source, block.format.map(|format| format!("{kind}/{format}")));
    media.name = block.name;
    Some(media)
}

/// An item of a tool that Bedrock ran, or something newer than this reader.
pub(super) fn read_hosted(raw: &RawValue, mut fields: Fields<'_>) -> Hosted {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ToolResult {
        tool_use_id: Option<String>,
        r#type: Option<String>,
    }
    let result = fields.take::<ToolResult>("toolResult").ok().flatten();
    let (kind, id) = match result {
        Some(result) => (result.r#type.unwrap_or_else(|| "tool_result".to_owned()), result.tool_use_id),
        None => (fields.rest(HERE).fields().first().map(|(key, _)| key.clone()).unwrap_or_default(), None),
    };
    Hosted { from: HERE, kind, id, raw: raw.to_owned() }
}

/// A source, which is one of all of the text beside it.
pub(super) fn read_citation(raw: &RawValue) -> Option<Citation> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Source {
        title: Option<String>,
        #[serde(default, deserialize_with = "or_default")]
        source_content: Vec<CitedText>,
        location: Option<std::collections::BTreeMap<String, Option<Place>>>,
        source: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place {
        document_index: Count,
        search_result_index: Count,
        start: Count,
        end: Count,
        url: Option<String>,
    }
    let source: Source = serde_json::from_str(raw.get()).ok()?;
    let place = source.location.into_iter().flatten().find_map(|(kind, place)| Some((kind, place?)));
    let passage = place.as_ref().and_then(|(kind, place)| {
        let unit = match kind.as_str() {
            "documentChar" => PassageUnit::Character,
            "documentPage" => PassageUnit::Page,
            "documentChunk" | "searchResultLocation" => PassageUnit::Block,
            _ => return None,
        };
        Some(Passage { unit, start: (*place.start)?, end: (*place.end)? })
    });
    // Of a search's result it is said where that is from.
    let is_result = place.as_ref().is_some_and(|(kind, _)| kind == "searchResultLocation");
    let (page, named) = source.source.filter(|_| is_result).map_or((None, None), page_or_document);
    let place = place.map(|(_, place)| place);
    let text: String = source.source_content.into_iter().map(|piece| piece.text).collect();
    Some(Citation {
        url: place.as_ref().and_then(|place| place.url.clone()).or(page),
        title: source.title,
        cited_text: (!text.is_empty()).then_some(text),
        document: named.or(place.and_then(|place| place.document_index.or(*place.search_result_index)).map(|index| index.to_string())),
        passage,
        raw: Some((HERE, raw.to_owned())),
        ..Citation::default()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    #[serde(alias = "cacheReadInputTokenCount")]
    cache_read: Count,
    cache_read_input_tokens: Count,
    #[serde(alias = "cacheWriteInputTokenCount")]
    cache_write: Count,
    cache_write_input_tokens: Count,
    cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: Option<String>,
    input_tokens: Count,
}

/// Reads the counts. The API counts what passes a cache beside the input, not in it.
pub(super) fn read_usage(raw: &RawValue) -> Option<Usage> {
    let counts: Counts = serde_json::from_str::<Option<Counts>>(raw.get()).ok()??;
    let cache_read = counts.cache_read_input_tokens.or(*counts.cache_read);
    let cache_write = counts.cache_write_input_tokens.or(*counts.cache_write);
    let details = counts.cache_details.unwrap_or_default();
    let kept = |ttl: &str| details.iter().find(|detail| detail.ttl.as_deref() == Some(ttl)).and_then(|detail| *detail.input_tokens);
    Some(Usage {
        input: counts.input_tokens.map(|fresh| fresh.saturating_add(cache_read.unwrap_or(0)).saturating_add(cache_write.unwrap_or(0))),
        output: *counts.output_tokens,
        total: *counts.total_tokens,
        cache_read,
        cache_write,
        cache_write_5m: kept("5m"),
        cache_write_1h: kept("1h"),
        raw: Some((HERE, raw.to_owned())),
        ..Usage::default()
    })
}

/// Reads the tier that served the answer.
pub(super) fn read_tier(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Tier {
        r#type: String,
    }
    serde_json::from_str::<Option<Tier>>(raw.get()).ok()?.map(|tier| tier.r#type)
}

/// Why the answer ended.
pub(super) fn finish(memo: &Memo, raw: Option<String>, calls: Calls, additional: Option<&RawValue>) -> Finish {
    let reason = match raw.as_deref() {
        // Where the answer itself came as a call, nothing is left to run; some models forget to say that something is.
        Some("tool_use" | "end_turn") if calls.client => Reason::ToolCalls,
        Some("tool_use") if calls.json => Reason::Stop,
        Some("tool_use") => Reason::ToolCalls,
        Some("end_turn") => Reason::Stop,
        Some("stop_sequence") => Reason::StopSequence,
        Some("max_tokens" | "model_context_window_exceeded") => Reason::Length,
        Some("guardrail_intervened" | "content_filtered") => Reason::ContentFilter,
        Some("refusal") => Reason::Refusal,
        Some("pause_turn") => Reason::Pause,
        Some("malformed_model_output" | "malformed_tool_use") => Reason::Error,
        Some(_) | None => Reason::Other,
    };
    let told = || additional.and_then(read_stop_sequence);
    // Of one stop sequence it need not be said which.
    let only = || memo.stop.first().filter(|_| memo.stop.len() == 1).cloned();
    let stop_sequence = if reason == Reason::StopSequence { told().or_else(only) } else { None };
    Finish { reason, raw, stop_sequence, words: None }
}

fn read_stop_sequence(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Additional {
        stop_sequence: Option<String>,
        delta: Option<Delta>,
    }
    #[derive(Deserialize)]
    struct Delta {
        stop_sequence: Option<String>,
    }
    let additional: Additional = serde_json::from_str(raw.get()).ok()?;
    additional.stop_sequence.or(additional.delta.and_then(|delta| delta.stop_sequence))
}
