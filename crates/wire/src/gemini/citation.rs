//! Sources: grounding, citations and fetched pages in the meaning's words, and back.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Citation;
use crate::json::Object;
use crate::lenient::Count;
use crate::reply::Usage;

/// What an answer, or a piece of one, is grounded on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Grounding {
    grounding_chunks: Option<Vec<Chunk>>,
    grounding_supports: Option<Vec<Support>>,
    web_search_queries: Option<Vec<String>>,
    google_maps_widget_context_token: Option<String>,
}

/// What was looked up for an answer: each question once, however often it is told.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    web: BTreeSet<String>,
    maps: BTreeSet<String>,
    uses_maps: bool,
}

impl LookedUp {
    /// Takes note of what a piece is grounded on. Questions are told without where they were asked: where there are places and no
    /// pages, it was in maps.
    pub(super) fn see(&mut self, sent: &Grounding) {
        let chunks = sent.grounding_chunks.iter().flatten();
        let (mut places, mut pages) = (sent.google_maps_widget_context_token.is_some(), false);
        chunks.for_each(|chunk| (places, pages) = (places || chunk.maps.is_some(), pages || chunk.web.is_some()));
        self.uses_maps |= places;
        let asked = sent.web_search_queries.iter().flatten().filter(|query| !query.is_empty()).cloned();
        if places && !pages { self.maps.extend(asked) } else { self.web.extend(asked) }
    }

    /// Tells how often. Maps are used at least once where their places are.
    pub(super) fn tell(&self, usage: &mut Usage) {
        let count = |count: usize| u64::try_from(count).ok().filter(|count| *count > 0);
        usage.web_searches = count(self.web.len());
        usage.maps_queries = if self.uses_maps { count(self.maps.len().max(1)) } else { None };
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    web: Option<Source>,
    retrieved_context: Option<Source>,
    maps: Option<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    uri: Option<String>,
    title: Option<String>,
    text: Option<String>,
    file_search_store: Option<String>,
    document_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Support {
    segment: Option<Segment>,
    grounding_chunk_indices: Option<Vec<Count>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    start_index: Count,
    end_index: Count,
}

/// Reads `groundingMetadata`; what cannot be read tells nothing.
pub(super) fn read_grounding(raw: &RawValue) -> Grounding {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// The citations of what an answer is grounded on. Where a chunk supports several segments, each gives a citation; a chunk that
/// supports none gives one without a place. Indices are bytes; a start that is not sent is the beginning.
pub(super) fn grounds(sent: Grounding) -> Vec<Citation> {
    let chunks = sent.grounding_chunks.unwrap_or_default();
    let mut used = vec![false; chunks.len()];
    let mut citations = Vec::new();
    for support in sent.grounding_supports.unwrap_or_default() {
        for at in support.grounding_chunk_indices.unwrap_or_default() {
            let Some((at, chunk)) = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| Some((at, chunks.get(at)?))) else { continue };
            used[at] = true;
            citations.push(cited(chunk, support.segment.as_ref()));
        }
    }
    let unused = chunks.iter().zip(used).filter(|(_, used)| !used);
    citations.extend(unused.map(|(chunk, _)| cited(chunk, None)));
    citations
}

fn cited(chunk: &Chunk, segment: Option<&Segment>) -> Citation {
    let mut citation = Citation::default();
    if let Some(source) = chunk.web.as_ref().or(chunk.retrieved_context.as_ref()).or(chunk.maps.as_ref()) {
        citation.url.clone_from(&source.uri);
        citation.title.clone_from(&source.title);
        citation.cited_text.clone_from(&source.text);
        citation.document = source.document_name.clone().or_else(|| source.file_search_store.clone());
    }
    if let Some(end) = segment.and_then(|segment| *segment.end_index) {
        citation.start = Some(segment.and_then(|segment| *segment.start_index).unwrap_or(0));
        citation.end = Some(end);
    }
    citation
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Citations {
    citations: Option<Vec<Recited>>,
    citation_sources: Option<Vec<Recited>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recited {
    uri: Option<String>,
    title: Option<String>,
    start_index: Count,
    end_index: Count,
}

/// Reads `citationMetadata`: what the answer recites.
pub(super) fn read_citations(raw: &RawValue) -> Vec<Citation> {
    let Ok(sent) = serde_json::from_str::<Citations>(raw.get()) else { return Vec::new() };
    let sources = sent.citations.or(sent.citation_sources).unwrap_or_default().into_iter();
    let citation = |source: Recited| Citation {
        url: source.uri,
        title: source.title,
        start: source.end_index.map(|_| source.start_index.unwrap_or(0)),
        end: *source.end_index,
        ..Citation::default()
    };
    sources.map(citation).collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    url_metadata: Option<Vec<FetchedUrl>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FetchedUrl {
    url_retrieval_status: Option<String>,
}

/// How many pages `urlContextMetadata` says were fetched.
pub(super) fn count_fetches(raw: &RawValue) -> Option<u64> {
    let sent: Fetched = serde_json::from_str(raw.get()).ok()?;
    let fetched = |url: &&FetchedUrl| url.url_retrieval_status.as_deref() == Some("URL_RETRIEVAL_STATUS_SUCCESS");
    u64::try_from(sent.url_metadata?.iter().filter(fetched).count()).ok()
}

/// Writes citations as `groundingMetadata`.
pub(super) fn write_grounding(citations: &[Citation], out: &mut Object<'_>) {
    if citations.is_empty() {
        return;
    }
    // A source without a place is one citation and one chunk, even where it is named twice.
    let mut chunks: Vec<&Citation> = Vec::new();
    let mut places: Vec<(u64, u64, Vec<usize>)> = Vec::new();
    for citation in citations {
        let same = |chunk: &&&Citation| {
            let of = |citation: &Citation| {
                (citation.url.clone(), citation.title.clone(), citation.cited_text.clone(), citation.document.clone())
            };
            of(chunk) == of(citation)
        };
        let (Some(start), Some(end)) = (citation.start, citation.end) else {
            chunks.push(citation);
            continue;
        };
        let at = chunks.iter().position(|chunk| chunk.end.is_some() && same(&chunk)).unwrap_or_else(|| {
            chunks.push(citation);
            chunks.len() - 1
        });
        match places.iter_mut().find(|(from, to, _)| (*from, *to) == (start, end)) {
            Some((_, _, chunks)) => chunks.push(at),
            None => places.push((start, end, vec![at])),
        }
    }
    out.object("groundingMetadata", |out| {
        out.array("groundingChunks", |out| {
            for chunk in &chunks {
                let web = chunk.url.is_some() && chunk.cited_text.is_none() && chunk.document.is_none();
                out.object(|out| out.object(if web { "web" } else { "retrievedContext" }, |out| write_source(chunk, out)));
            }
        });
        if !places.is_empty() {
            out.array("groundingSupports", |out| {
                for (start, end, chunks) in &places {
                    out.object(|out| {
                        out.object("segment", |out| {
                            out.field("startIndex", start);
                            out.field("endIndex", end);
                        });
                        out.field("groundingChunkIndices", chunks);
                    });
                }
            });
        }
    });
}

fn write_source(citation: &Citation, out: &mut Object<'_>) {
    out.option("uri", citation.url.as_ref());
    out.option("title", citation.title.as_ref());
    out.option("text", citation.cited_text.as_ref());
    out.option("documentName", citation.document.as_ref());
}
