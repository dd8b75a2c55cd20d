//! Sources that an answer names: `annotations` (OpenAI), `citations` and `search_results` (Perplexity), `reference` parts (Mistral).

use std::ops::Range;

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
pub(crate) fn read(raw: &RawValue) -> Option<Citation> {
    let sent = Some((HERE, raw.to_owned()));
    if let Some(url) = word(Some(raw)) {
        return Some(Citation { url: Some(url), raw: sent, ..Citation::default() });
    }
    let source: Source<'_> = serde_json::from_str(raw.get()).ok()?;
    if let Some(inner) = source.url_citation.or(source.file_citation) {
        return read(inner).map(|citation| Citation { raw: sent, ..citation });
    }
    let (start, end) = (count(source.start_index), count(source.end_index));
    // A place of no length is none.
    let is_place = start.is_none() || start != end;
    Some(Citation {
        url: word(source.url),
        title: word(source.title),
        cited_text: word(source.content.or(source.cited_text).or(source.snippet)),
        document: word(source.file_id),
        start: start.filter(|_| is_place),
        end: end.filter(|_| is_place),
        raw: sent,
        ..Citation::default()
    })
}

/// A source of the text that begins after so many letters of the message, which is what its place counts from.
pub(super) fn after(before: u64, citation: Citation) -> Citation {
    let within = |place: Option<u64>| place?.checked_sub(before);
    let start = within(citation.start);
    Citation { start, end: within(citation.end).filter(|_| start.is_some()), ..citation }
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

/// What an annotation is of that names a page of the web.
pub const PAGE: &str = "url_citation";

/// Where the sources stand that are no pages: clients refuse a whole answer for an annotation of a kind that OpenAI does not have.
const OTHERS: &str = "citations";

/// Writes an answer's sources, each with where in the message the text stands that it is of.
pub(super) fn write_all(object: &mut Object<'_>, sources: &[(&Citation, Range<u64>)]) {
    let (pages, others): (Vec<_>, Vec<_>) = sources.iter().partition(|(citation, _)| citation.url.is_some());
    if !pages.is_empty() {
        object.array("annotations", |list| pages.iter().for_each(|(page, text)| list.object(|item| write_page(item, page, text))));
    }
    if !others.is_empty() {
        object.array(OTHERS, |list| others.iter().for_each(|(source, text)| list.object(|item| write_other(item, source, text))));
    }
}

/// How many sources of each list a stream has told: clients put the pieces of a list together by their number in it.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pages: usize,
    others: usize,
}

impl Numbers {
    /// Writes a source as a piece of a stream.
    pub(super) fn write(&mut self, object: &mut Object<'_>, citation: &Citation, text: &Range<u64>) {
        let is_page = citation.url.is_some();
        let (key, number) = if is_page { ("annotations", &mut self.pages) } else { (OTHERS, &mut self.others) };
        object.array(key, |list| {
            list.object(|item| {
                item.field("index", number);
                if is_page { write_page(item, citation, text) } else { write_other(item, citation, text) }
            });
        });
        *number += 1;
    }
}

/// The format requires a place: of whose nothing was said, it is where the text ends that it is of.
fn write_page(object: &mut Object<'_>, citation: &Citation, text: &Range<u64>) {
    object.field("type", PAGE);
    object.object(PAGE, |inner| {
        inner.field("url", citation.url.as_deref().unwrap_or_default());
        inner.field("title", citation.title.as_deref().unwrap_or_default());
        inner.option("content", citation.cited_text.as_ref());
        inner.field("start_index", &within(text, citation.start.or(citation.end)).unwrap_or(text.end));
        inner.field("end_index", &within(text, citation.end).unwrap_or(text.end));
    });
}

/// A place in that text as one in the message.
fn within(text: &Range<u64>, place: Option<u64>) -> Option<u64> {
    place.map(|place| text.start.saturating_add(place))
}

fn write_other(object: &mut Object<'_>, citation: &Citation, text: &Range<u64>) {
    object.field("type", "file_citation");
    object.object("file_citation", |inner| {
        inner.option("file_id", citation.document.as_ref());
        inner.option("title", citation.title.as_ref());
        inner.option("content", citation.cited_text.as_ref());
        inner.option("start_index", within(text, citation.start));
        inner.option("end_index", within(text, citation.end));
    });
}
