//! Events in the form this dialect's clients expect: one block at a time, in order.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::reply::{citation_json, text_of};
use super::{HERE, error, stop, usage};
use crate::event::{BlockKind, Delta, Event, EventWriter};
use crate::half::Stamp;
use crate::json::{self, Object};
use crate::problem::{Kind, Problem};
use crate::reply::{Finish, Reason, Usage};
use crate::seal::{ANTHROPIC, SealKind, Sealed};

/// Writes a stream. Clients of this dialect know no overlapping blocks, so that one which begins early waits for its turn.
pub(super) struct Writer {
    stamp: Stamp,
    start: Option<(Option<String>, Option<String>)>,
    started: bool,
    current: Option<Current>,
    waiting: VecDeque<Waiting>,
    /// The bytes that have waited.
    held: usize,
    index: u32,
    usage: Option<Usage>,
    calls: bool,
    refusal: bool,
    ended: bool,
    scratch: Vec<u8>,
}

/// The block that is being written.
struct Current {
    block: u32,
    kind: BlockKind,
    /// Whether its beginning was written.
    begun: bool,
    /// Whether it is left out.
    hidden: bool,
    /// The seal of a thought, which a later one may replace: written at the end.
    seal: Option<Sealed>,
}

/// A block that waits.
struct Waiting {
    block: u32,
    kind: BlockKind,
    deltas: Vec<Delta>,
    ended: bool,
}

impl Writer {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            start: None,
            started: false,
            current: None,
            waiting: VecDeque::new(),
            held: 0,
            index: 0,
            usage: None,
            calls: false,
            refusal: false,
            ended: false,
            scratch: Vec::with_capacity(256),
        }
    }

    /// Writes one SSE event.
    fn frame(&mut self, out: &mut BytesMut, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.scratch.clear();
        json::write_object(&mut self.scratch, |object| {
            object.text("type", name);
            write(object);
        });
        // What is written as sent may stand on several lines, between its tokens alone.
        if memchr::memchr2(b'\n', b'\r', &self.scratch).is_some() {
            self.scratch.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(&self.scratch);
        out.extend_from_slice(b"\n\n");
    }

    /// Writes the beginning, once. It waits for the event after `Start`, which may know what the prompt took.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.started {
            return;
        }
        self.started = true;
        let (id, model) = self.start.take().unwrap_or_default();
        let id = id.unwrap_or_else(|| self.stamp.id.clone());
        let model = model.unwrap_or_else(|| self.stamp.model.clone());
        let counts = self.usage.take();
        self.frame(out, "message_start", |object| {
            object.object("message", |message| {
                message.text("id", &id);
                message.text("type", "message");
                message.text("role", "assistant");
                message.text("model", &model);
                message.array("content", |_| {});
                message.field("stop_reason", &None::<&str>);
                message.field("stop_sequence", &None::<&str>);
                usage::write(message, counts.as_ref(), None);
            });
        });
        self.usage = counts;
    }

    fn block_start(&mut self, block: u32, kind: &BlockKind, out: &mut BytesMut) {
        self.calls |= matches!(kind, BlockKind::ToolCall { .. });
        self.refusal |= matches!(kind, BlockKind::Refusal);
        if self.current.is_some() {
            self.waiting.push_back(Waiting { block, kind: kind.clone(), deltas: Vec::new(), ended: false });
            return;
        }
        self.open(block, kind.clone(), out);
    }

    /// Makes that block the current one. Thoughts and calls begin with their first delta, which may change how they begin.
    fn open(&mut self, block: u32, kind: BlockKind, out: &mut BytesMut) {
        let hidden = match &kind {
            BlockKind::Reasoning { .. } => self.stamp.hide_reasoning,
            BlockKind::Hosted(hosted) => hosted.from != HERE,
            BlockKind::Image(media) => text_of(media).is_none(),
            BlockKind::Audio(_) | BlockKind::Text | BlockKind::Refusal | BlockKind::ToolCall { .. } => false,
        };
        let late = match &kind {
            BlockKind::Reasoning { .. } | BlockKind::ToolCall { .. } => true,
            // What is said in it may be told yet.
            BlockKind::Audio(media) => text_of(media).is_none(),
            _ => false,
        };
        self.current = Some(Current { block, kind, begun: false, hidden, seal: None });
        if !late {
            self.begin_block(None, out);
        }
    }

    /// Writes the current block's beginning, if it was not written. Whether `seal` became part of it.
    fn begin_block(&mut self, seal: Option<&Sealed>, out: &mut BytesMut) -> bool {
        let Some(mut current) = self.current.take() else { return false };
        let mut used = false;
        if !current.begun && !current.hidden {
            current.begun = true;
            let index = self.index;
            let kind = &current.kind;
            self.frame(out, "content_block_start", |object| {
                object.field("index", &index);
                match kind {
                    BlockKind::Hosted(hosted) => object.raw("content_block", hosted.raw.get()),
                    kind => object.object("content_block", |block| used = write_start(block, kind, seal)),
                }
            });
            if let BlockKind::Image(media) | BlockKind::Audio(media) = &current.kind
                && let Some(text) = text_of(media)
            {
                self.delta(out, "text_delta", "text", &text);
            }
        }
        self.current = Some(current);
        used
    }

    fn delta(&mut self, out: &mut BytesMut, kind: &str, key: &str, text: &str) {
        let index = self.index;
        self.frame(out, "content_block_delta", |object| {
            object.field("index", &index);
            object.object("delta", |delta| {
                delta.text("type", kind);
                delta.text(key, text);
            });
        });
    }

    fn block_delta(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        match &self.current {
            Some(current) if current.block == block => {
                if !current.hidden {
                    self.write_delta(delta, out);
                }
            }
            _ => {
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.block == block) {
                    waiting.deltas.push(delta.clone());
                    self.held += delta.weight();
                }
            }
        }
    }

    fn write_delta(&mut self, delta: &Delta, out: &mut BytesMut) {
        if let Delta::Seal(seal) = delta {
            self.write_seal(seal, out);
            return;
        }
        if matches!(delta, Delta::AudioData(_)) {
            return;
        }
        self.begin_block(None, out);
        let thinks = matches!(self.current.as_ref().map(|current| &current.kind), Some(BlockKind::Reasoning { .. }));
        match delta {
            Delta::Text(text) if thinks => self.delta(out, "thinking_delta", "thinking", text),
            Delta::Text(text) | Delta::Transcript(text) => self.delta(out, "text_delta", "text", text),
            Delta::Arguments(json) => self.delta(out, "input_json_delta", "partial_json", json),
            Delta::Citation(citation) => {
                let json = citation_json(citation);
                let index = self.index;
                self.frame(out, "content_block_delta", |object| {
                    object.field("index", &index);
                    object.object("delta", |delta| {
                        delta.text("type", "citations_delta");
                        delta.raw("citation", &json);
                    });
                });
            }
            // There is no place for sound; its transcript is text.
            Delta::AudioData(_) | Delta::Seal(_) => {}
        }
    }

    /// Keeps a thought's seal for its end and writes a call's where it begins: clients take a later one for a thought's, and refuse it
    /// there. No other block has a place for one.
    fn write_seal(&mut self, seal: &Sealed, out: &mut BytesMut) {
        let Some(current) = self.current.as_mut() else { return };
        if matches!(current.kind, BlockKind::Reasoning { .. }) {
            current.seal = Some(seal.clone());
        } else if matches!(current.kind, BlockKind::ToolCall { .. }) {
            self.begin_block(Some(seal), out);
        }
    }

    fn block_end(&mut self, block: u32, out: &mut BytesMut) {
        if self.current.as_ref().is_none_or(|current| current.block != block) {
            if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.block == block) {
                waiting.ended = true;
            }
            return;
        }
        self.close(out);
        while self.current.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            self.open(next.block, next.kind, out);
            for delta in &next.deltas {
                self.block_delta(next.block, delta, out);
            }
            if next.ended {
                self.close(out);
            }
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        let seal = self.current.as_mut().and_then(|current| current.seal.take());
        // Sound in which nothing was told to be said has no place.
        let silent = |current: &Current| matches!(current.kind, BlockKind::Audio(_)) && !current.begun;
        if self.current.as_ref().is_some_and(silent) {
            self.current = None;
            return;
        }
        let used = self.begin_block(seal.as_ref(), out);
        if let Some(current) = self.current.take()
            && !current.hidden
        {
            if let (Some(seal), BlockKind::Reasoning { id, .. }) = (seal.filter(|_| !used), &current.kind) {
                self.delta(out, "signature_delta", "signature", &seal.to_token(ANTHROPIC, id.as_deref()));
            }
            let index = self.index;
            self.frame(out, "content_block_stop", |object| object.field("index", &index));
            self.index += 1;
        }
    }

    fn end(&mut self, finish: &Finish, service_tier: Option<&str>, out: &mut BytesMut) {
        self.ended = true;
        if finish.reason == Reason::Error {
            let said = finish.raw.as_deref().unwrap_or("error");
            let words = finish.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
            let problem = Problem::new(Kind::Upstream, format!("the provider ended the answer with `{said}`{words}"));
            out.extend_from_slice(&error::write_event(&problem, self.stamp.flavor));
            return;
        }
        let reason = stop::write(finish, self.calls, self.refusal);
        let sequence = stop::sequence(finish);
        let counts = self.usage.take();
        self.frame(out, "message_delta", |object| {
            object.object("delta", |delta| {
                delta.text("stop_reason", reason);
                delta.field("stop_sequence", &sequence);
                stop::write_details(delta, finish);
            });
            usage::write(object, counts.as_ref(), service_tier);
        });
        self.frame(out, "message_stop", |_| {});
    }
}

/// Writes how a block begins. Whether `seal` is part of it.
fn write_start(block: &mut Object<'_>, kind: &BlockKind, seal: Option<&Sealed>) -> bool {
    match kind {
        BlockKind::Reasoning { id, .. } => {
            if let Some(seal) = seal.filter(|seal| seal.kind == SealKind::Encrypted) {
                block.text("type", "redacted_thinking");
                block.field("data", &seal.to_token(ANTHROPIC, id.as_deref()));
                return true;
            }
            block.text("type", "thinking");
            block.text("thinking", "");
            block.text("signature", "");
            false
        }
        BlockKind::ToolCall { id, name, .. } => {
            block.text("type", "tool_use");
            block.text("id", id);
            block.text("name", name);
            block.object("input", |_| {});
            block.option("signature", seal.map(|seal| seal.to_token(ANTHROPIC, None)));
            seal.is_some()
        }
        BlockKind::Text | BlockKind::Refusal | BlockKind::Image(_) | BlockKind::Audio(_) | BlockKind::Hosted(_) => {
            block.text("type", "text");
            block.text("text", "");
            false
        }
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model, .. } => {
                self.start = Some((id.clone(), model.clone()));
                return;
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            _ => {}
        }
        if let Event::Fault(fault) = event {
            self.ended = true;
            out.extend_from_slice(&error::write_event(&Problem::from((**fault).clone()), self.stamp.flavor));
            return;
        }
        self.begin(out);
        match event {
            Event::BlockStart { block, kind } => self.block_start(*block, kind, out),
            Event::BlockDelta { block, delta } => self.block_delta(*block, delta, out),
            Event::BlockEnd { block } => self.block_end(*block, out),
            Event::End { finish, service_tier } => self.end(finish, service_tier.as_deref(), out),
            // Nobody asks for further answers in this format.
            Event::Further { .. } | Event::Likely(_) | Event::Tier(_) | Event::Unknown(_) => {}
            Event::Start { .. } | Event::Usage(_) | Event::Fault(_) => {}
        }
    }

    fn held(&self) -> usize {
        self.held
    }
}
