//! Events to Gemini's stream: every chunk is a whole `GenerateContentResponse`, as a server-sent event or as an item of one array.
//!
//! Calls and sounds come whole, so they wait for the end of their block; sources and usage come with the last chunk.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::answer::write_usage;
use super::citation::Sources;
use super::error::write_problem;
use super::likelihood;
use super::reply::{MESSAGE, finish_name, write_part};
use super::token::write_signature;
use crate::chat::{Media, MediaSource, Part, PartBody, Thought, ToolCall};
use crate::event::{BlockKind, Delta, Event, EventWriter};
use crate::half::Stamp;
use crate::json::{self, Object};
use crate::problem::Problem;
use crate::reply::{Finish, Likelihood, Usage};

/// Stands for the text of a thought that has gone out.
const MARK: &str = "…";

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Writer {
    stamp: Stamp,
    model: String,
    id: String,
    /// The answer that is written, and the others.
    answer: Answer,
    others: BTreeMap<u64, Answer>,
    usage: Option<Usage>,
    tier: Option<String>,
    array_open: bool,
    /// The bytes of calls, sounds and sources that were kept.
    held: usize,
}

/// One of the answers under way.
#[derive(Debug, Default)]
struct Answer {
    index: u64,
    /// The blocks under way, each with where in what is said it begins.
    blocks: Vec<(u32, usize, Part)>,
    sources: Sources,
    /// How likely the tokens of what is written next were.
    likely: Vec<Likelihood>,
}

impl Writer {
    pub(super) fn new(stamp: Stamp) -> Self {
        let (model, id) = (stamp.model.clone(), stamp.id.clone());
        Self { stamp, model, id, answer: Answer::default(), others: BTreeMap::new(), usage: None, tier: None, array_open: false, held: 0 }
    }

    fn on_delta(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        let Some((_, from, part)) = self.answer.blocks.iter_mut().find(|(id, ..)| *id == block) else { return };
        let body = &mut part.body;
        match (body, delta) {
            (PartBody::Text { .. } | PartBody::Refusal(_), Delta::Text(text)) => {
                self.answer.sources.say(text);
                let part = PartBody::Text { text: text.clone(), citations: Vec::new() };
                self.part(&part, out);
            }
            (PartBody::Reasoning(thought), Delta::Text(text)) => {
                // Not kept, only marked: the seal at the end is that of a thought with a text.
                thought.text = if text.is_empty() { std::mem::take(&mut thought.text) } else { MARK.to_owned() };
                let part = PartBody::Reasoning(Thought { text: text.clone(), ..Thought::default() });
                self.part(&part, out);
            }
            (PartBody::Reasoning(thought), Delta::Seal(seal)) => thought.seal = Some(seal.clone()),
            (PartBody::ToolCall(call), Delta::Arguments(more)) => {
                self.held += more.len();
                call.arguments.push_str(more);
            }
            (PartBody::ToolCall(call), Delta::Seal(seal)) => call.seal = Some(seal.clone()),
            (PartBody::Audio(Media { source: MediaSource::Base64(data), .. }), Delta::AudioData(more)) => {
                self.held += more.len();
                data.push_str(more);
            }
            (PartBody::Audio(_), Delta::Transcript(text)) => {
                self.answer.sources.say(text);
                self.part(&PartBody::Text { text: text.clone(), citations: Vec::new() }, out);
            }
            (_, Delta::Citation(citation)) => {
                self.held += delta.weight();
                self.answer.sources.cite(*from, citation);
            }
            _ => {}
        }
    }

    fn on_end_of_block(&mut self, block: u32, out: &mut BytesMut) {
        let Some(at) = self.answer.blocks.iter().position(|(id, ..)| *id == block) else { return };
        let (.., part) = self.answer.blocks.remove(at);
        match &part.body {
            PartBody::Text { .. } | PartBody::Refusal(_) => {}
            PartBody::Reasoning(Thought { seal: None, .. }) => {}
            PartBody::Reasoning(Thought { seal: Some(seal), text, id, .. }) if !text.is_empty() => {
                let sealed = json::object(|out| {
                    out.text("text", "");
                    out.field("thought", &true);
                    out.field("thoughtSignature", &write_signature(seal, id.as_deref()));
                });
                self.parts(&json::text([b"[", &sealed[..], b"]"].concat()), out);
            }
            PartBody::Audio(Media { source: MediaSource::Base64(data), .. }) if data.is_empty() => {}
            body => self.part(body, out),
        }
    }

    /// Writes a chunk that holds that part.
    fn part(&mut self, body: &PartBody, out: &mut BytesMut) {
        let mut parts = Vec::new();
        json::write_array(&mut parts, |array| write_part(body, &self.stamp, array));
        if parts != b"[]" {
            self.parts(&json::text(parts), out);
        }
    }

    fn parts(&mut self, parts: &str, out: &mut BytesMut) {
        let (index, likely) = (self.answer.index, std::mem::take(&mut self.answer.likely));
        self.chunk(out, |out| {
            out.object("content", |out| {
                out.raw("parts", parts);
                out.text("role", "model");
            });
            out.field("index", &index);
            likelihood::write(out, &likely);
        });
    }

    fn on_end(&mut self, finish: &Finish, out: &mut BytesMut) {
        let Answer { index, sources, likely, .. } = std::mem::take(&mut self.answer);
        self.chunk(out, |out| {
            out.object("content", |out| {
                out.array("parts", |_| {});
                out.text("role", "model");
            });
            out.field("finishReason", finish_name(finish));
            out.option(MESSAGE, finish.words.as_ref());
            out.field("index", &index);
            likelihood::write(out, &likely);
            sources.write(out);
        });
    }

    /// A step of a further answer, which takes the place of the one that is written meanwhile.
    fn on_further(&mut self, index: u64, step: &Event, out: &mut BytesMut) {
        let other = self.others.remove(&index).unwrap_or_else(|| Answer { index, ..Answer::default() });
        let own = std::mem::replace(&mut self.answer, other);
        match step {
            Event::End { finish, .. } => self.on_end(finish, out),
            step => self.write(step, out),
        }
        self.others.insert(index, std::mem::replace(&mut self.answer, own));
    }

    fn chunk(&mut self, out: &mut BytesMut, write: impl FnOnce(&mut Object<'_>)) {
        let body = json::object(|out| {
            out.array("candidates", |out| out.object(write));
            if self.usage.is_some() || self.tier.is_some() {
                write_usage(self.usage.as_ref().unwrap_or(&Usage::default()), self.tier.as_deref(), out);
            }
            out.field("modelVersion", &self.model);
            out.field("responseId", &self.id);
        });
        self.frame(&body, out);
    }

    fn frame(&mut self, body: &[u8], out: &mut BytesMut) {
        if self.stamp.json_array {
            out.extend_from_slice(if self.array_open { b",\r\n" } else { b"[" });
            self.array_open = true;
            out.extend_from_slice(body);
        } else {
            out.extend_from_slice(b"data: ");
            // Line breaks stand only between the tokens of what was taken over as sent; here they would end the event.
            body.split(|byte| matches!(byte, b'\n' | b'\r')).for_each(|line| out.extend_from_slice(line));
            out.extend_from_slice(b"\r\n\r\n");
        }
    }
}

fn part_of(kind: &BlockKind) -> Part {
    Part::new(match kind {
        BlockKind::Text => PartBody::Text { text: String::new(), citations: Vec::new() },
        BlockKind::Refusal => PartBody::Refusal(String::new()),
        BlockKind::Reasoning { id, summary } => PartBody::Reasoning(Thought { id: id.clone(), summary: *summary, ..Thought::default() }),
        BlockKind::ToolCall { id, name, custom, .. } => {
            PartBody::ToolCall(ToolCall { id: id.clone(), name: name.clone(), custom: *custom, ..ToolCall::default() })
        }
        BlockKind::Image(media) => PartBody::Image((**media).clone()),
        BlockKind::Audio(media) => PartBody::Audio((**media).clone()),
        BlockKind::Hosted(hosted) => PartBody::Hosted((**hosted).clone()),
    })
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, model, .. } => {
                if let Some(id) = id {
                    self.id.clone_from(id);
                }
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
            }
            Event::BlockStart { block, kind } => self.answer.blocks.push((*block, self.answer.sources.here(), part_of(kind))),
            Event::BlockDelta { block, delta } => self.on_delta(*block, delta, out),
            Event::BlockEnd { block } => self.on_end_of_block(*block, out),
            Event::Usage(usage) => self.usage.get_or_insert_with(Usage::default).merge((**usage).clone()),
            Event::End { finish, service_tier } => {
                self.tier.clone_from(service_tier);
                self.on_end(finish, out);
                if self.stamp.json_array {
                    out.extend_from_slice(b"]");
                }
            }
            Event::Further { answer, event } => self.on_further(*answer, event, out),
            Event::Fault(fault) => {
                let (_, body) = write_problem(&Problem::from((**fault).clone()));
                self.frame(&body, out);
                if self.stamp.json_array {
                    out.extend_from_slice(b"]");
                }
            }
            Event::Likely(tokens) => self.answer.likely.extend_from_slice(tokens),
            Event::Tier(_) | Event::Unknown(_) => {}
        }
    }

    fn held(&self) -> usize {
        self.held
    }
}
