//! Content blocks as meaning, in requests and in answers.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::HERE;
use crate::chat::{
    CacheMark, Citation, Cited, Hosted, Media, MediaSource, Part, PartBody, Passage, PassageUnit, Thought, ToolCall, ToolResult,
    page_or_document,
};
use crate::fields::Fields;
use crate::json;
use crate::lenient::Count;
use crate::problem::Malformed;
use crate::seal::{ANTHROPIC, SealKind, Sealed};

/// Reads a `content` field: a string or a list of blocks.
pub(super) fn read_content(raw: &RawValue) -> Result<Vec<Part>, Malformed> {
    if raw.get().starts_with('"') {
        let text: String = parse(raw)?;
        return Ok(vec![Part::text(text)]);
    }
    read_blocks(raw)
}

/// Reads a list of blocks.
pub(super) fn read_blocks(raw: &RawValue) -> Result<Vec<Part>, Malformed> {
    let blocks: Vec<&RawValue> = parse(raw)?;
    let read = |(at, block): (usize, &&RawValue)| read_block(block).map_err(|error| error.within(&at.to_string()));
    blocks.iter().enumerate().map(read).collect()
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Malformed> {
    serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))
}

/// Reads one block. A type that the meaning does not know is kept whole.
pub(super) fn read_block(raw: &RawValue) -> Result<Part, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let kind: String = fields.require("type")?;
    let body = match kind.as_str() {
        "text" => {
            let (text, mut cited): (String, _) = (fields.require("text")?, Cited::default());
            cited.say(&text);
            read_citations(&mut fields)?.into_iter().for_each(|citation| cited.cite(citation));
            PartBody::Text { text, citations: cited.whole().collect() }
        }
        "image" => match read_source(&mut fields)? {
            Some(media) => PartBody::Image(media),
            None => return Ok(hosted(raw, kind)),
        },
        "document" => match read_source(&mut fields)? {
            Some(media) => PartBody::File(Media { name: fields.take("title")?, ..media }),
            None => return Ok(hosted(raw, kind)),
        },
        "search_result" => return search_result(raw, fields),
        "thinking" => PartBody::Reasoning(read_thinking(&mut fields)?),
        "redacted_thinking" => {
            let data: String = fields.require("data")?;
            let (seal, id) = Sealed::from_token(ANTHROPIC, SealKind::Encrypted, &data);
            PartBody::Reasoning(Thought { id, seal: Some(seal), ..Thought::default() })
        }
        "tool_use" => PartBody::ToolCall(read_call(&mut fields)?),
        "tool_result" => PartBody::ToolResult(ToolResult {
            call: fields.require("tool_use_id")?,
            name: None,
            parts: match fields.take_raw("content").filter(|raw| raw.get() != "null") {
                Some(content) => read_content(content).map_err(|error| error.within("content"))?,
                None => Vec::new(),
            },
            is_error: fields.take("is_error")?.unwrap_or(false),
        }),
        _ => return Ok(hosted(raw, kind)),
    };
    let cache = take_cache(&mut fields)?;
    Ok(Part { body, cache, extra: fields.rest(HERE) })
}

/// The whole block, kept as sent.
pub(super) fn hosted(raw: &RawValue, kind: String) -> Part {
    #[derive(Deserialize)]
    struct Ids {
        id: Option<String>,
        tool_use_id: Option<String>,
    }
    let ids: Option<Ids> = serde_json::from_str(raw.get()).ok();
    let id = ids.and_then(|ids| ids.id.or(ids.tool_use_id));
    Part::new(PartBody::Hosted(Hosted { from: HERE, kind, id, raw: raw.to_owned() }))
}

/// A result of the client's own search: a text document to others, kept as sent for this dialect.
fn search_result(raw: &RawValue, mut fields: Fields<'_>) -> Result<Part, Malformed> {
    let Some(text) = fields.take_raw("content").and_then(plain_text) else { return Ok(hosted(raw, "search_result".to_owned())) };
    let name: Option<String> = fields.take("title")?;
    let cache = take_cache(&mut fields)?;
    let mut whole = Fields::nested(raw)?;
    if cache.is_some() {
        whole.take_raw("cache_control");
    }
    whole.take_raw("title");
    let media = Media { name, ..Media::new(MediaSource::Text(text), Some("text/plain".to_owned())) };
    Ok(Part { body: PartBody::File(media), cache, extra: whole.rest(HERE) })
}

/// The text of a string or of a list of nothing but text blocks.
fn plain_text(raw: &RawValue) -> Option<String> {
    let mut text = String::new();
    for part in read_content(raw).ok()? {
        let PartBody::Text { text: more, .. } = part.body else { return None };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&more);
    }
    Some(text)
}

/// Takes a cache breakpoint; one with fields that the meaning does not know stays where it is.
pub(super) fn take_cache(fields: &mut Fields<'_>) -> Result<Option<CacheMark>, Malformed> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Mark {
        #[serde(rename = "type")]
        _type: String,
        ttl: Option<String>,
    }
    let Some(raw) = fields.peek_raw("cache_control") else { return Ok(None) };
    let Ok(mark) = serde_json::from_str::<Option<Mark>>(raw.get()) else { return Ok(None) };
    fields.take_raw("cache_control");
    Ok(mark.map(|mark| CacheMark { ttl: mark.ttl }))
}

fn read_citations(fields: &mut Fields<'_>) -> Result<Vec<Citation>, Malformed> {
    let raws: Option<Vec<&RawValue>> = fields.take("citations")?;
    raws.unwrap_or_default().into_iter().map(read_citation).collect()
}

/// Reads one citation of any kind.
pub(super) fn read_citation(raw: &RawValue) -> Result<Citation, Malformed> {
    #[derive(Deserialize)]
    struct Wire {
        url: Option<String>,
        source: Option<String>,
        title: Option<String>,
        document_title: Option<String>,
        cited_text: Option<String>,
        file_id: Option<String>,
        document_index: Count,
        search_result_index: Count,
        start_char_index: Count,
        end_char_index: Count,
        start_page_number: Count,
        end_page_number: Count,
        start_block_index: Count,
        end_block_index: Count,
    }
    let wire: Wire = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("citations", &error.to_string()))?;
    let (page, named) = wire.source.map_or((None, None), page_or_document);
    let index = wire.document_index.or(*wire.search_result_index);
    let places = [
        (PassageUnit::Character, wire.start_char_index, wire.end_char_index),
        (PassageUnit::Page, wire.start_page_number, wire.end_page_number),
        (PassageUnit::Block, wire.start_block_index, wire.end_block_index),
    ];
    Ok(Citation {
        url: wire.url.or(page),
        title: wire.title.or(wire.document_title),
        // Required by the API; empty where another vendor's citation quotes nothing.
        cited_text: wire.cited_text.filter(|text| !text.is_empty()),
        document: wire.file_id.or(named).or(index.map(|index| index.to_string())),
        passage: places.into_iter().find_map(|(unit, start, end)| Some(Passage { unit, start: (*start)?, end: (*end)? })),
        raw: Some((HERE, raw.to_owned())),
        ..Citation::default()
    })
}

/// Takes the `source` of an image or a document; `None`, and left in place, where the meaning cannot hold it.
fn read_source(fields: &mut Fields<'_>) -> Result<Option<Media>, Malformed> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(rename = "type")]
        kind: String,
        media_type: Option<String>,
        data: Option<String>,
        url: Option<String>,
        file_id: Option<String>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }
    let raw = fields.peek_raw("source").ok_or_else(|| Malformed::field("source", "is missing"))?;
    let wire: Wire<'_> = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("source", &error.to_string()))?;
    let missing = |key: &str| Malformed::field(&format!("source.{key}"), "is missing");
    let source = match wire.kind.as_str() {
        "base64" => MediaSource::Base64(wire.data.ok_or_else(|| missing("data"))?),
        "text" => MediaSource::Text(wire.data.ok_or_else(|| missing("data"))?),
        "url" => MediaSource::Url(wire.url.ok_or_else(|| missing("url"))?),
        "file" => MediaSource::FileId(wire.file_id.ok_or_else(|| missing("file_id"))?),
        // The blocks stay in `extra` beside their text.
        "content" => match wire.content.and_then(plain_text) {
            Some(text) => return Ok(Some(Media::new(MediaSource::Text(text), Some("text/plain".to_owned())))),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    fields.take_raw("source");
    Ok(Some(Media::new(source, wire.media_type)))
}

fn read_thinking(fields: &mut Fields<'_>) -> Result<Thought, Malformed> {
    let text: String = fields.take("thinking")?.unwrap_or_default();
    let signature: Option<String> = fields.take("signature")?;
    let read = signature.filter(|text| !text.is_empty()).map(|text| Sealed::from_token(ANTHROPIC, SealKind::Signature, &text));
    let (seal, id) = read.map_or((None, None), |(seal, id)| (Some(seal), id));
    Ok(Thought { id, text, summary: false, seal })
}

fn read_call(fields: &mut Fields<'_>) -> Result<ToolCall, Malformed> {
    let arguments = fields.take_raw("input").map_or("{}", RawValue::get).to_owned();
    let signature: Option<String> = fields.take("signature")?;
    Ok(ToolCall {
        id: fields.require("id")?,
        name: fields.require("name")?,
        arguments,
        custom: false,
        namespace: None,
        seal: signature.map(|text| Sealed::from_token(ANTHROPIC, SealKind::Signature, &text).0),
    })
}

/// Whether that JSON text is an object without fields.
pub(super) fn is_empty_object(text: &str) -> bool {
    json::raw(text).is_some() && text.trim().strip_prefix('{').is_some_and(|rest| rest.trim() == "}")
}
