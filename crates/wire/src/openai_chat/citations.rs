//! Sources that an answer names: `annotations` (OpenAI), `citations` and `search_results` (Perplexity), `reference` parts (Mistral).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{count, word};
use crate::chat::{Citation, Part, PartBody};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::json::Object;
use crate::problem::Malformed;

const HERE: Dialect = Dialect::OpenAiChat;

#[derive(Debug, Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    snippet: Option<&'a RawValue>,
    #[serde(borrow)]
    cited_text: Option<&'a RawValue>,
    #[serde(borrow)]
    file_id: Option<&'a RawValue>,
    #[serde(borrow)]
    start_index: Option<&'a RawValue>,
    #[serde(borrow)]
    end_index: Option<&'a RawValue>,
    #[serde(borrow)]
    url_citation: Option<&'a RawValue>,
    #[serde(borrow)]
    file_citation: Option<&'a RawValue>,
}

/// Reads one source, however it is wrapped.
pub(super) fn read(raw: &RawValue) -> Option<Citation> {
    let sent = Some((HERE, raw.to_owned()));
    if let Some(url) = word(Some(raw)) {
        return Some(Citation { url: Some(url), raw: sent, ..Citation::default() });
    }
    let source: Source<'_> = serde_json::from_str(raw.get()).ok()?;
    if let Some(inner) = source.url_citation.or(source.file_citation) {
        return read(inner).map(|citation| Citation { raw: sent, ..citation });
    }
    Some(Citation {
        url: word(source.url),
        title: word(source.title),
        cited_text: word(source.content.or(source.cited_text).or(source.snippet)),
        document: word(source.file_id),
        start: count(source.start_index),
        end: count(source.end_index),
        raw: sent,
    })
}

/// The sources in a part of text.
pub(super) fn take(fields: &mut Fields<'_>) -> Result<Vec<Citation>, Malformed> {
    let mut found = Vec::new();
    for key in ["annotations", "citations"] {
        for raw in fields.take::<Vec<&RawValue>>(key)?.unwrap_or_default() {
            found.extend(read(raw));
        }
    }
    Ok(found)
}

/// The sources of a message belong to the last text of it.
pub(super) fn take_annotations(fields: &mut Fields<'_>, parts: &mut Vec<Part>) -> Result<(), Malformed> {
    let found = take(fields)?;
    add(found, parts);
    Ok(())
}

/// Adds sources to the last text.
pub(super) fn add(found: Vec<Citation>, parts: &mut Vec<Part>) {
    if found.is_empty() {
        return;
    }
    let text = parts.iter_mut().rev().find_map(|part| match &mut part.body {
        PartBody::Text { citations, .. } => Some(citations),
        _ => None,
    });
    match text {
        Some(citations) => citations.extend(found),
        None => parts.push(Part::new(PartBody::Text { text: String::new(), citations: found })),
    }
}

/// Mistral's `reference` part: the sources of the text before it.
pub(super) fn add_references(fields: &mut Fields<'_>, parts: &mut Vec<Part>) -> Result<(), Malformed> {
    let ids: Vec<&RawValue> = fields.take("reference_ids")?.unwrap_or_default();
    let found = ids.into_iter().map(|id| Citation { document: word(Some(id)), ..Citation::default() }).collect();
    add(found, parts);
    Ok(())
}

/// Writes a source as an annotation.
pub(super) fn write(object: &mut Object<'_>, citation: &Citation) {
    if citation.url.is_none() && citation.document.is_some() {
        object.field("type", "file_citation");
        object.object("file_citation", |inner| {
            inner.option("file_id", citation.document.as_ref());
            inner.option("title", citation.title.as_ref());
            inner.option("content", citation.cited_text.as_ref());
            inner.option("start_index", citation.start);
            inner.option("end_index", citation.end);
        });
        return;
    }
    object.field("type", "url_citation");
    object.object("url_citation", |inner| {
        inner.field("url", citation.url.as_deref().unwrap_or_default());
        inner.field("title", citation.title.as_deref().unwrap_or_default());
        inner.option("content", citation.cited_text.as_ref());
        inner.option("start_index", citation.start);
        inner.option("end_index", citation.end);
    });
}
