//! Cutting a byte stream into frames, however it arrives.

mod aws_event_stream;
mod aws_sse;
mod json_array;
mod json_lines;
mod sse;

#[cfg(test)]
mod tests;

pub use aws_event_stream::write_message as write_aws_message;

use bytes::{Bytes, BytesMut};

use crate::event::Frame;
use crate::problem::Malformed;

/// The largest frame that is read.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    JsonLines,
    /// Amazon's binary event stream.
    AwsEventStream,
    /// Server-sent events, cut anywhere and wrapped in Amazon's binary event stream (SageMaker).
    AwsEventStreamOfSse,
    /// The items of one JSON array.
    JsonArray,
}

impl Framing {
    /// The framing that a content type stands for, else the usual one; `None` for what is a document and no stream.
    pub fn of_content_type(content_type: &str, usual: Framing) -> Option<Framing> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/event-stream" => Some(Framing::Sse),
            "application/vnd.amazon.eventstream" => Some(Framing::AwsEventStream),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/stream+json" => Some(Framing::JsonLines),
            "application/json" => (usual == Framing::JsonLines).then_some(usual),
            "text/html" => None,
            _ => Some(usual),
        }
    }
}

/// One frame and the bytes it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The event's name, empty where there is none.
    pub name: Bytes,
    /// The payload; empty for what carries none (comments, blank lines).
    pub payload: Bytes,
    /// The bytes as they came, terminator included.
    pub raw: Bytes,
    /// Whether the stream ended before the terminator did: more may have been meant to come.
    pub cut: bool,
}

impl Piece {
    /// The frame, to be read.
    pub fn frame(&self) -> Frame<'_> {
        Frame { name: std::str::from_utf8(&self.name).unwrap_or_default(), payload: &self.payload }
    }
}

/// Cuts a byte stream into frames. Complete frames of a chunk are slices of it; only a frame that two chunks share is copied.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    chunk: Bytes,
    pending: BytesMut,
    scan: Scan,
    ended: bool,
    /// What cuts the stream inside this stream.
    inner: Option<Box<Framer>>,
}

/// How far the incomplete frame at hand has been searched for its end.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) at: usize,
    pub(crate) line: usize,
    pub(crate) depth: u32,
    pub(crate) quoted: bool,
    pub(crate) cut: bool,
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new(framing: Framing) -> Self {
        let inner = (framing == Framing::AwsEventStreamOfSse).then(|| Box::new(Self::new(Framing::Sse)));
        Self { framing, chunk: Bytes::new(), pending: BytesMut::new(), scan: Scan::default(), ended: false, inner }
    }

    /// Whether no incomplete frame is kept.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.pending.is_empty() && self.inner.as_ref().is_none_or(|inner| inner.is_empty())
    }

    /// Adds what arrived. Call [`Framer::next_piece`] until it has nothing more.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.pending.is_empty() {
            self.chunk = chunk;
        } else {
            self.keep_chunk();
            self.pending.extend_from_slice(&chunk);
        }
    }

    /// The stream ended: what is left is the last frame.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next complete frame.
    pub fn next_piece(&mut self) -> Option<Result<Piece, Malformed>> {
        let Some(mut inner) = self.inner.take() else { return self.cut() };
        let piece = aws_sse::next_piece(self, &mut inner);
        self.inner = Some(inner);
        piece
    }

    /// The next complete frame of the stream itself.
    fn cut(&mut self) -> Option<Result<Piece, Malformed>> {
        let slice: &[u8] = if self.pending.is_empty() { &self.chunk } else { &self.pending };
        if slice.is_empty() {
            return None;
        }
        let found = match self.framing {
            Framing::Sse => sse::frame_end(slice, &mut self.scan, self.ended),
            Framing::JsonLines => json_lines::frame_end(slice, &mut self.scan, self.ended),
            Framing::JsonArray => json_array::frame_end(slice, &mut self.scan, self.ended),
            Framing::AwsEventStream | Framing::AwsEventStreamOfSse => match aws_event_stream::frame_end(slice) {
                Ok(None) if self.ended => return Some(Err(Malformed::new("the stream ends inside an event"))),
                Ok(found) => found,
                Err(malformed) => return Some(Err(malformed)),
            },
        };
        let Some(end) = found else {
            if slice.len() > MAX_FRAME {
                return Some(Err(Malformed::new("a frame of the stream is too large")));
            }
            self.keep_chunk();
            return None;
        };
        let cut = std::mem::take(&mut self.scan).cut;
        let raw = if self.pending.is_empty() { self.chunk.split_to(end) } else { self.pending.split_to(end).freeze() };
        Some(match self.framing {
            Framing::Sse => sse::read_frame(raw, cut),
            Framing::JsonLines => Ok(json_lines::read_frame(raw)),
            Framing::JsonArray => Ok(json_array::read_frame(raw)),
            Framing::AwsEventStream | Framing::AwsEventStreamOfSse => aws_event_stream::read_frame(raw),
        })
    }

    fn keep_chunk(&mut self) {
        if self.pending.is_empty() && !self.chunk.is_empty() {
            self.pending.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
        }
    }
}
