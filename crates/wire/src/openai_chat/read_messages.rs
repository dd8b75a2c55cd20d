//! The conversation: messages and their parts. An assistant's message reads the same in a request and in an answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{arguments, string, word};
use super::{citations, media, reasoning};
use crate::chat::{CacheMark, ChatRequest, Media, MediaSource, Message, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::openai::{self, BREAKPOINT, MARK};
use crate::problem::Malformed;
use crate::seal::{ANTHROPIC, GOOGLE, SealKind, Sealed};

const HERE: Dialect = Dialect::OpenAiChat;

/// Reads the conversation into the request.
pub(super) fn read_messages(raw: &RawValue, request: &mut ChatRequest) -> Result<(), Malformed> {
    let items: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| Malformed::field("messages", "must be an array of messages"))?;
    if items.is_empty() {
        return Err(Malformed::field("messages", "must hold at least one message"));
    }
    let mut legacy = None;
    for (at, item) in items.into_iter().enumerate() {
        read_message(item, request, (at, &mut legacy)).map_err(|error| error.within(&format!("messages[{at}]")))?;
    }
    Ok(())
}

/// The id of the last legacy `function_call`, which has none of its own.
type Legacy<'a> = (usize, &'a mut Option<String>);

fn read_message(raw: &RawValue, request: &mut ChatRequest, legacy: Legacy<'_>) -> Result<(), Malformed> {
    let mut fields = Fields::nested(raw)?;
    let role: String = fields.require("role")?;
    match role.as_str() {
        "system" | "developer" => read_system(fields, role, request),
        "user" => {
            let (parts, name) = (read_parts(&mut fields)?, fields.take("name")?);
            request.messages.push(Message { role: Role::User, name, parts, extra: fields.rest(HERE) });
            Ok(())
        }
        "assistant" => {
            let ids = format!("call_{}", legacy.0);
            let said = read_assistant(&mut fields, &Reading { vendor: None, ids: &ids })?;
            if said.legacy.is_some() {
                *legacy.1 = said.legacy;
            }
            let name = fields.take("name")?;
            let mut extra = fields.rest(HERE);
            if let Some(details) = said.details {
                extra.note("reasoning_details", details);
            }
            request.messages.push(Message { role: Role::Assistant, name, parts: said.parts, extra });
            Ok(())
        }
        "tool" | "function" => {
            let name: Option<String> = fields.take("name")?;
            let call = match fields.take::<String>("tool_call_id")? {
                Some(id) => id,
                None if role == "function" => legacy.1.take().unwrap_or_else(|| format!("call_{}", name.as_deref().unwrap_or_default())),
                None => return Err(Malformed::field("tool_call_id", "is missing")),
            };
            let mut parts = read_parts(&mut fields)?;
            let cache = parts.last_mut().and_then(|part| part.cache.take_if(|_| part.extra.noted(HERE, "cache").is_some()));
            let result = ToolResult { call, name, parts, is_error: false };
            let part = Part { cache, ..Part::new(PartBody::ToolResult(result)) };
            request.messages.push(Message { role: Role::User, name: None, parts: vec![part], extra: fields.rest(HERE) });
            Ok(())
        }
        other => Err(Malformed::field("role", &format!("`{other}` is not a known role"))),
    }
}

/// Instructions: before the conversation they are the request's, later on they are a turn.
fn read_system(mut fields: Fields<'_>, role: String, request: &mut ChatRequest) -> Result<(), Malformed> {
    let mut parts = read_parts(&mut fields)?;
    let name: Option<String> = fields.take("name")?;
    if let Some(part) = parts.first_mut() {
        part.extra.note("role", role);
        if let Some(name) = &name {
            part.extra.note("name", name.clone());
        }
    }
    if request.messages.is_empty() {
        request.system.extend(parts);
    } else {
        request.messages.push(Message { role: Role::System, name, parts, extra: fields.rest(HERE) });
    }
    Ok(())
}

/// The content of a message, with the message's own cache mark on its last part.
fn read_parts(fields: &mut Fields<'_>) -> Result<Vec<Part>, Malformed> {
    let mut parts = read_content(fields)?;
    if let Some(mark) = read_cache(fields)?
        && let Some(last) = parts.last_mut()
        && last.cache.is_none()
    {
        last.cache = Some(mark);
        last.extra.note("cache", "message");
    }
    Ok(parts)
}

fn read_content(fields: &mut Fields<'_>) -> Result<Vec<Part>, Malformed> {
    let Some(raw) = fields.take_raw("content") else { return Ok(Vec::new()) };
    let body = raw.get();
    match body.as_bytes().first() {
        Some(b'"') => {
            let text = string(raw).ok_or_else(|| Malformed::field("content", "is not a valid string"))?;
            Ok(vec![here(PartBody::Text { text: text.into_owned(), citations: Vec::new() })])
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(body).map_err(|error| Malformed::field("content", &error.to_string()))?;
            let mut parts = Vec::with_capacity(items.len());
            for (at, item) in items.into_iter().enumerate() {
                read_part(item, &mut parts).map_err(|error| error.within(&format!("content[{at}]")))?;
            }
            Ok(parts)
        }
        Some(b'n') => Ok(Vec::new()),
        // Some providers put the object of a JSON answer where its text belongs.
        Some(b'{') => Ok(vec![here(PartBody::Text { text: body.to_owned(), citations: Vec::new() })]),
        _ => Err(Malformed::field("content", "must be a string or an array of parts")),
    }
}

fn here(body: PartBody) -> Part {
    Part { extra: Extra::new(HERE), ..Part::new(body) }
}

/// Reads one part of a content array.
pub(super) fn read_part(raw: &RawValue, out: &mut Vec<Part>) -> Result<(), Malformed> {
    if let Some(text) = string(raw) {
        out.push(here(PartBody::Text { text: text.into_owned(), citations: Vec::new() }));
        return Ok(());
    }
    let mut fields = Fields::nested(raw)?;
    let kind: Option<String> = fields.take("type")?;
    let (mut bare, mut unnamed) = (false, false);
    let body = match kind.as_deref() {
        None | Some("text" | "input_text" | "output_text") => {
            let text = fields.require("text")?;
            let citations = citations::take(&mut fields)?;
            PartBody::Text { text, citations }
        }
        Some("image_url" | "input_image") => {
            let media = read_url(&mut fields, "image_url")?;
            unnamed = is_document(&media);
            by_type(media)
        }
        Some("video_url") => PartBody::Video(read_url(&mut fields, "video_url")?),
        Some("document_url") => {
            let mut media = read_url(&mut fields, "document_url")?;
            media.name = fields.take("document_name")?;
            PartBody::File(media)
        }
        Some("input_audio") => {
            let (media, is_bare) = read_audio(&mut fields)?;
            bare = is_bare;
            PartBody::Audio(media)
        }
        Some("file" | "input_file") => PartBody::File(read_file(&mut fields)?),
        Some("refusal") => PartBody::Refusal(fields.require("refusal")?),
        Some("thinking" | "reasoning") => PartBody::Reasoning(read_thinking(&mut fields)?),
        Some("redacted_thinking") => {
            let data: String = fields.require("data")?;
            let (seal, id) = Sealed::from_token(ANTHROPIC, SealKind::Encrypted, &data);
            PartBody::Reasoning(Thought { id, seal: Some(seal), ..Thought::default() })
        }
        Some("tool_use") => PartBody::ToolCall(read_tool_use(&mut fields)?),
        Some("reference") => return citations::add_references(&mut fields, out),
        // What the gateway cannot read it cannot guard either.
        Some(other) => return Err(Malformed::field("type", &format!("`{other}` is not a known type of content"))),
    };
    let marked = fields.peek_raw(MARK);
    let (cache, breakpoint) = (read_cache(&mut fields)?, fields.take_raw(BREAKPOINT).filter(|raw| raw.get() != "null"));
    let mut extra = fields.rest(HERE);
    if let Some(raw) = marked.filter(|_| breakpoint.is_some() && cache.is_some()) {
        extra.note(MARK, raw.get().to_owned());
    }
    let cache = cache.or(openai::keep_breakpoint(breakpoint, &mut extra));
    if let Some(kind @ ("thinking" | "document_url")) = kind.as_deref() {
        extra.note("type", kind.to_owned());
    }
    if bare {
        extra.note("type", "bare");
    }
    if unnamed {
        extra.note("unnamed", "");
    }
    out.push(Part { body, cache, extra });
    Ok(())
}

/// `{"url": …}`, or the URL itself as Mistral has it.
fn read_url(fields: &mut Fields<'_>, key: &str) -> Result<Media, Malformed> {
    #[derive(Deserialize)]
    struct Place {
        url: String,
        detail: Option<String>,
        format: Option<String>,
    }
    let raw: &RawValue = fields.require(key)?;
    if let Some(url) = string(raw) {
        return Ok(media::from_url(&url));
    }
    let place: Place = serde_json::from_str(raw.get()).map_err(|error| Malformed::field(key, &error.to_string()))?;
    let mut found = media::from_url(&place.url);
    found.detail = place.detail;
    found.media_type = found.media_type.or(place.format);
    Ok(found)
}

/// What clients put where images belong, by what it is.
fn by_type(media: Media) -> PartBody {
    match media.media_type.as_deref() {
        Some(kind) if kind.starts_with("audio/") => PartBody::Audio(media),
        Some(kind) if kind.starts_with("video/") => PartBody::Video(media),
        _ if is_document(&media) => PartBody::File(media),
        _ => PartBody::Image(media),
    }
}

fn is_document(media: &Media) -> bool {
    let kind = media.media_type.as_deref().unwrap_or_default();
    kind.starts_with("text/") || kind.starts_with("application/") && kind != "application/octet-stream"
}

/// `{"data": …, "format": …}`, or a URL or base64 itself as Mistral has it; and whether it was the latter.
fn read_audio(fields: &mut Fields<'_>) -> Result<(Media, bool), Malformed> {
    #[derive(Deserialize)]
    struct Sound {
        data: String,
        format: Option<String>,
    }
    let raw: &RawValue = fields.require("input_audio")?;
    let (sound, bare) = match string(raw) {
        Some(text) => (Sound { data: text.into_owned(), format: None }, true),
        None => (serde_json::from_str(raw.get()).map_err(|error| Malformed::field("input_audio", &error.to_string()))?, false),
    };
    let found = media::from_url(&sound.data);
    let media = match found.source {
        // Bare base64 is what the format asks for; URLs are tolerated.
        MediaSource::Url(data) if !data.contains(':') => Media::new(MediaSource::Base64(data), sound.format),
        source => Media::new(source, sound.format.or(found.media_type)),
    };
    Ok((media, bare))
}

fn read_file(fields: &mut Fields<'_>) -> Result<Media, Malformed> {
    #[derive(Deserialize)]
    struct File {
        file_data: Option<String>,
        file_url: Option<String>,
        file_id: Option<String>,
        filename: Option<String>,
        format: Option<String>,
    }
    let file: File = fields.require("file")?;
    let mut found = match (file.file_data.or(file.file_url), file.file_id) {
        (Some(data), _) => media::from_url(&data),
        // LiteLLM takes URLs as file ids.
        (None, Some(id)) if id.starts_with("http") || id.starts_with("gs://") => Media::new(MediaSource::Url(id), None),
        (None, Some(id)) => Media::new(MediaSource::FileId(id), None),
        (None, None) => return Err(Malformed::field("file", "needs `file_data` or `file_id`")),
    };
    found.name = file.filename;
    found.media_type = found.media_type.or(file.format);
    if let MediaSource::Url(data) = &found.source
        && !data.contains(':')
    {
        found.source = MediaSource::Base64(data.clone());
    }
    Ok(found)
}

/// A call as Anthropic's content block, which some who serve those models leave as it is; Snowflake wraps it once more.
fn read_tool_use(fields: &mut Fields<'_>) -> Result<ToolCall, Malformed> {
    let mut inner = match fields.take_raw("tool_use") {
        Some(raw) => Fields::nested(raw).map_err(|error| error.within("tool_use"))?,
        None => std::mem::take(fields),
    };
    let id = word(inner.take_raw("id")).or_else(|| word(inner.take_raw("tool_use_id")));
    let id = id.ok_or_else(|| Malformed::field("id", "is missing"))?;
    let arguments = arguments(inner.take_raw("input")).into_owned();
    Ok(ToolCall { id, name: inner.require("name")?, arguments, custom: false, namespace: None, seal: None })
}

/// A thought as a part: a text or a list of texts (Mistral, and those who serve Anthropic's models unchanged).
fn read_thinking(fields: &mut Fields<'_>) -> Result<Thought, Malformed> {
    let mut thought = Thought::default();
    let mut signature = fields.take::<String>("signature")?.filter(|text| !text.is_empty());
    for key in ["thinking", "text", "summary"] {
        let Some(raw) = fields.take_raw(key) else { continue };
        thought.text.push_str(&texts(raw));
        thought.summary |= key == "summary";
        // Databricks keeps the signature in the items of the summary.
        let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        let signed = items.into_iter().find_map(|item| word(Fields::nested(item).ok()?.take_raw("signature")));
        signature = signature.or(signed);
    }
    if let Some(signature) = signature {
        let (seal, id) = Sealed::from_token(ANTHROPIC, SealKind::Signature, &signature);
        (thought.seal, thought.id) = (Some(seal), id);
    }
    Ok(thought)
}

/// The texts of a value: a string, an object with a `text`, or a list of either.
pub(super) fn texts(raw: &RawValue) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }
    if let Some(text) = string(raw) {
        return text;
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        return Cow::Owned(items.into_iter().map(texts).collect());
    }
    match serde_json::from_str::<Item<'_>>(raw.get()) {
        Ok(Item { text: Some(text) }) => texts(text),
        _ => Cow::Borrowed(""),
    }
}

/// What the reader of an assistant's message needs to know.
pub(super) struct Reading<'a> {
    /// Who makes the model, for seals that do not say.
    pub(super) vendor: Option<&'a str>,
    /// What ids of calls begin with that have none.
    pub(super) ids: &'a str,
}

/// What an assistant's message holds.
pub(super) struct Said {
    /// In order: thoughts, what is said, calls.
    pub(super) parts: Vec<Part>,
    /// The id given to a legacy `function_call`.
    legacy: Option<String>,
    /// `reasoning_details` as sent.
    details: Option<String>,
}

/// Reads an assistant's message.
pub(super) fn read_assistant(fields: &mut Fields<'_>, reading: &Reading<'_>) -> Result<Said, Malformed> {
    let mut thoughts = reasoning::take(fields, reading.vendor)?;
    let mut said = read_parts(fields)?;
    if let Some(text) = fields.take::<String>("refusal")?.filter(|text| !text.is_empty()) {
        said.push(here(PartBody::Refusal(text)));
    }
    citations::take_annotations(fields, &mut said)?;
    for raw in fields.take::<Vec<&RawValue>>("images")?.unwrap_or_default() {
        read_part(raw, &mut said).map_err(|error| error.within("images"))?;
    }
    if let Some(media) = read_spoken(fields)? {
        said.push(here(PartBody::Audio(media)));
    }
    let (mut calls, mut marks) = (Vec::new(), Vec::new());
    for (at, raw) in fields.take::<Vec<&RawValue>>("tool_calls")?.unwrap_or_default().into_iter().enumerate() {
        let within = |error: Malformed| error.within(&format!("tool_calls[{at}]"));
        calls.push(read_call(raw, &format!("{}_{at}", reading.ids)).map_err(within)?);
        marks.push(read_cache(&mut Fields::nested(raw).map_err(within)?).map_err(within)?);
    }
    // Snowflake says text twice, and calls here alone.
    for raw in fields.take::<Vec<&RawValue>>("content_list")?.unwrap_or_default() {
        let mut item = Fields::nested(raw).map_err(|error| error.within("content_list"))?;
        if item.take::<String>("type")?.as_deref() == Some("tool_use") {
            calls.push(read_tool_use(&mut item).map_err(|error| error.within("content_list"))?);
        }
    }
    let legacy =
        fields.take::<WrittenFunction<'_>>("function_call")?.filter(|call| call.name.as_deref().is_some_and(|name| !name.is_empty()));
    let id = legacy.map(|function| {
        let id = format!("{}_{}", reading.ids, calls.len());
        calls.push(function.into_call(id.clone()));
        id
    });
    let sealed: Vec<bool> = calls.iter().map(|call| call.seal.is_some()).collect();
    give_seals(&mut thoughts, &mut calls);
    let mut parts = thoughts.parts;
    let others = !parts.is_empty() || !calls.is_empty() || said.len() > 1;
    said.retain(|part| !others || !matches!(&part.body, PartBody::Text { text, citations } if text.is_empty() && citations.is_empty()));
    parts.extend(said);
    for (at, call) in calls.into_iter().enumerate() {
        let mut part = here(PartBody::ToolCall(call));
        if sealed.get(at) == Some(&true) {
            part.extra.note("seal", "extra_content");
        }
        part.cache = marks.get_mut(at).and_then(Option::take);
        parts.push(part);
    }
    Ok(Said { parts, legacy: id, details: thoughts.details })
}

/// Encrypted items that name a call are that call's seal.
fn give_seals(thoughts: &mut reasoning::Thoughts, calls: &mut [ToolCall]) {
    for (id, at) in thoughts.by_id.drain(..).rev() {
        let Some(call) = calls.iter_mut().find(|call| call.id == id) else { continue };
        if let PartBody::Reasoning(thought) = thoughts.parts.remove(at).body
            && call.seal.is_none()
        {
            call.seal = thought.seal;
        }
    }
}

/// Sound in an answer; in a request only its id.
fn read_spoken(fields: &mut Fields<'_>) -> Result<Option<Media>, Malformed> {
    #[derive(Deserialize)]
    struct Spoken {
        id: Option<String>,
        data: Option<String>,
        transcript: Option<String>,
    }
    let Some(spoken) = fields.take::<Spoken>("audio")? else { return Ok(None) };
    let id = spoken.id.filter(|id| !id.is_empty());
    let source = match (spoken.data.filter(|data| !data.is_empty()), &id) {
        (Some(data), _) => MediaSource::Base64(data),
        (None, Some(id)) => MediaSource::FileId(id.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(Media { id, transcript: spoken.transcript, ..Media::new(source, None) }))
}

#[derive(Debug, Deserialize)]
struct WrittenFunction<'a> {
    name: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl WrittenFunction<'_> {
    fn into_call(self, id: String) -> ToolCall {
        let arguments = arguments(self.arguments).into_owned();
        ToolCall { id, name: self.name.unwrap_or_default(), arguments, custom: false, namespace: None, seal: None }
    }
}

fn read_call(raw: &RawValue, spare: &str) -> Result<ToolCall, Malformed> {
    #[derive(Deserialize)]
    struct Custom {
        name: String,
        #[serde(default)]
        input: String,
    }
    let mut fields = Fields::nested(raw)?;
    let id = word(fields.take_raw("id")).unwrap_or_else(|| spare.to_owned());
    let seal = take_call_seal(&mut fields);
    if let Some(custom) = fields.take::<Custom>("custom")? {
        return Ok(ToolCall { id, name: custom.name, arguments: custom.input, custom: true, namespace: None, seal });
    }
    let function: WrittenFunction<'_> = fields.require("function")?;
    Ok(ToolCall { seal, ..function.into_call(id) })
}

fn take_call_seal(fields: &mut Fields<'_>) -> Option<Sealed> {
    let extra = fields.take_raw("extra_content").or_else(|| fields.take_raw("provider_specific_fields"));
    extra.and_then(call_seal)
}

/// The seal of a call: `extra_content` (Google's own) or `provider_specific_fields` (LiteLLM).
pub(super) fn call_seal(raw: &RawValue) -> Option<Sealed> {
    #[derive(Deserialize)]
    struct Signed<'a> {
        #[serde(borrow)]
        thought_signature: Option<&'a RawValue>,
        #[serde(borrow)]
        google: Option<&'a RawValue>,
    }
    let signed: Signed<'_> = serde_json::from_str(raw.get()).ok()?;
    match (signed.thought_signature.and_then(string), signed.google) {
        (Some(text), _) => Some(Sealed::from_token(GOOGLE, SealKind::Signature, &text).0),
        (None, Some(google)) => call_seal(google),
        (None, None) => None,
    }
}

/// A `cache_control`, on a part, a message or a tool.
pub(super) fn read_cache(fields: &mut Fields<'_>) -> Result<Option<CacheMark>, Malformed> {
    #[derive(Deserialize)]
    struct Mark {
        ttl: Option<String>,
    }
    Ok(fields.take::<Mark>("cache_control")?.map(|mark| CacheMark { ttl: mark.ttl }))
}
