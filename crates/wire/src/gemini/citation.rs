//! Sources: grounding, citations and fetched pages in the meaning's words, and back.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Citation;
use crate::event::MOST_HELD;
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
/// supports none gives one without a place. A start that is not sent is the beginning. Places are the API's: in bytes of all that is
/// said.
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

/// Reads `citationMetadata`: what the answer recites, with the API's places.
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

/// All that an answer says, and the sources that it names. The API counts bytes of the whole, the meaning characters of one part.
#[derive(Debug, Default)]
pub(super) struct Sources {
    said: String,
    /// More was said than is kept: places are told no longer.
    over: bool,
    cited: Vec<(usize, Citation)>,
}

impl Sources {
    /// Adds what is said.
    pub(super) fn say(&mut self, text: &str) {
        self.over |= self.said.len() + text.len() > MOST_HELD;
        if !self.over {
            self.said.push_str(text);
        }
    }

    /// Where what is said next begins.
    pub(super) fn here(&self) -> usize {
        self.said.len()
    }

    /// Adds a source of the text that begins there.
    pub(super) fn cite(&mut self, from: usize, citation: &Citation) {
        self.cited.push((from, citation.clone()));
    }

    /// Writes the sources as `groundingMetadata`.
    pub(super) fn write(&self, out: &mut Object<'_>) {
        if self.cited.is_empty() {
            return;
        }
        // A source without a place is one citation and one chunk, even where it is named twice.
        let mut chunks: Vec<&Citation> = Vec::new();
        let mut places: Vec<(Range<usize>, Vec<usize>)> = Vec::new();
        for (from, citation) in &self.cited {
            let Some(place) = self.place(*from, citation) else {
                chunks.push(citation);
                continue;
            };
            let known = |chunk: &&Citation| chunk.end.is_some() && source_of(chunk) == source_of(citation);
            let at = chunks.iter().position(known).unwrap_or_else(|| {
                chunks.push(citation);
                chunks.len() - 1
            });
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, chunks)) => chunks.push(at),
                None => places.push((place, vec![at])),
            }
        }
        out.object("groundingMetadata", |out| {
            out.array("groundingChunks", |out| chunks.iter().for_each(|chunk| out.object(|out| write_chunk(chunk, out))));
            if !places.is_empty() {
                out.array("groundingSupports", |out| {
                    places.iter().for_each(|(place, chunks)| out.object(|out| self.write_support(place, chunks, out)));
                });
            }
        });
    }

    /// Where in all that is said it applies, in bytes.
    fn place(&self, from: usize, citation: &Citation) -> Option<Range<usize>> {
        let text = self.said.get(from..).filter(|_| !self.over)?;
        let at = |place: u64| {
            let characters = usize::try_from(place).ok()?;
            Some(from + text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at))
        };
        Some(at(citation.start?)?..at(citation.end?)?)
    }

    fn write_support(&self, place: &Range<usize>, chunks: &[usize], out: &mut Object<'_>) {
        out.object("segment", |out| {
            out.field("startIndex", &place.start);
            out.field("endIndex", &place.end);
            out.option("text", self.said.get(place.clone()));
        });
        out.field("groundingChunkIndices", chunks);
    }
}

/// What tells a source from others.
fn source_of(citation: &Citation) -> [Option<&String>; 4] {
    [citation.url.as_ref(), citation.title.as_ref(), citation.cited_text.as_ref(), citation.document.as_ref()]
}

fn write_chunk(citation: &Citation, out: &mut Object<'_>) {
    let is_page = citation.url.is_some() && citation.document.is_none();
    out.object(if is_page { "web" } else { "retrievedContext" }, |out| {
        out.option("uri", citation.url.as_ref());
        out.option("title", citation.title.as_ref());
        // A page's has no place for what it says.
        out.option("text", citation.cited_text.as_ref().filter(|_| !is_page));
        out.option("documentName", citation.document.as_ref());
    });
}

/// What an answer has said so far, block by block, so that the API's places can be put in the meaning's words.
#[derive(Debug, Default)]
pub(super) struct Said {
    texts: Vec<(u32, String)>,
    length: usize,
}

impl Said {
    /// Adds text of that block.
    pub(super) fn add(&mut self, block: u32, text: &str) {
        self.length += text.len();
        // Of what is longer no more is kept, and no place told.
        let text = if self.length > MOST_HELD { "" } else { text };
        match self.texts.last_mut() {
            Some((last, said)) if *last == block => said.push_str(text),
            _ => self.texts.push((block, text.to_owned())),
        }
    }

    /// The block of what was said last.
    pub(super) fn last(&self) -> Option<u32> {
        self.texts.last().map(|(block, _)| *block)
    }

    /// Puts a citation's place, which is in bytes of all that was said, in characters of the block it is in; `None` where it has none
    /// or none in what was said.
    pub(super) fn place(&self, citation: &mut Citation) -> Option<u32> {
        let (start, end) = (citation.start.take()?, citation.end.take()?);
        let mut from = 0_u64;
        for (block, text) in self.texts.iter().filter(|_| self.length <= MOST_HELD) {
            let length = text.len() as u64;
            if start < from + length {
                let characters = |place: u64| characters(text, usize::try_from(place.saturating_sub(from)).unwrap_or(usize::MAX));
                (citation.start, citation.end) = (Some(characters(start)), Some(characters(end)));
                return Some(*block);
            }
            from += length;
        }
        None
    }
}

/// How many characters begin in the first so many bytes.
fn characters(text: &str, bytes: usize) -> u64 {
    text.char_indices().take_while(|(at, _)| *at < bytes).count() as u64
}
