//! Thoughts as part of the text, between `<think>` and `</think>`, for clients that know no other place for them (LiteLLM's
//! `merge_reasoning_content_in_choices`).

use std::collections::BTreeMap;

use bytes::BytesMut;
use switchboard_wire::Dialect;
use switchboard_wire::event::{BlockKind, Delta, Event, EventWriter};

use crate::call::{Call, Content};
use crate::deployment::Spec;
use crate::openrouter::has_probabilities;

/// Whether the thoughts of a stream are shown so: the caller's word, else the deployment's.
pub(crate) fn is_wanted(call: &Call, spec: &Spec) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let asked = || outline.read::<bool>(&call.body, "merge_reasoning_content_in_choices").ok().flatten();
    let wanted = call.stream && call.door.dialect == Dialect::OpenAiChat && asked().unwrap_or(spec.merge_reasoning);
    wanted && !has_probabilities(call)
}

/// A writer that is told of thoughts as of text.
pub(crate) struct Merged {
    writer: Box<dyn EventWriter>,
    answers: BTreeMap<u64, Thoughts>,
}

/// The thoughts of one answer.
#[derive(Default)]
struct Thoughts {
    /// The blocks that are thoughts.
    blocks: Vec<u32>,
    begun: bool,
    ended: bool,
}

impl Merged {
    /// Tells that writer.
    pub(crate) fn new(writer: Box<dyn EventWriter>) -> Self {
        Self { writer, answers: BTreeMap::new() }
    }
}

impl Thoughts {
    /// The text with the mark that stands before it.
    fn marked(&mut self, block: u32, text: &str) -> String {
        if self.blocks.contains(&block) {
            let mark = if std::mem::replace(&mut self.begun, true) { "" } else { "<think>" };
            return format!("{mark}{text}");
        }
        let ends = self.begun && !self.ended;
        self.ended |= ends;
        format!("{}{text}", if ends { "</think>" } else { "" })
    }

    /// The step as one of a text; none where it has no place in one.
    fn as_text(&mut self, step: &Event) -> Option<Event> {
        match step {
            Event::BlockStart { block, kind: BlockKind::Reasoning { .. } } => {
                self.blocks.push(*block);
                Some(Event::BlockStart { block: *block, kind: BlockKind::Text })
            }
            Event::BlockDelta { block, delta: Delta::Seal(_) } if self.blocks.contains(block) => None,
            Event::BlockDelta { block, delta: Delta::Text(text) } if !text.is_empty() => {
                Some(Event::BlockDelta { block: *block, delta: Delta::Text(self.marked(*block, text)) })
            }
            other => Some(other.clone()),
        }
    }
}

impl EventWriter for Merged {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        let further = if let Event::Further { answer, .. } = event { Some(*answer) } else { None };
        let Some(step) = self.answers.entry(further.unwrap_or(0)).or_default().as_text(event.step()) else { return };
        let event = match further {
            Some(answer) => Event::Further { answer, event: Box::new(step) },
            None => step,
        };
        self.writer.write(&event, out);
    }

    fn held(&self) -> usize {
        self.writer.held()
    }
}
