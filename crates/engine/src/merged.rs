//! Thoughts as part of the text, between `<think>` and `</think>`, for clients that know no other place for them (LiteLLM's
//! `merge_reasoning_content_in_choices`).

use bytes::BytesMut;
use switchboard_wire::Dialect;
use switchboard_wire::event::{BlockKind, Delta, Event, EventWriter};

use crate::call::{Call, Content};
use crate::deployment::Spec;
use crate::openrouter::{has_choices, has_probabilities};

/// Whether the thoughts of a stream are shown so: the caller's word, else the deployment's.
pub(crate) fn is_wanted(call: &Call, spec: &Spec) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let asked = || outline.read::<bool>(&call.body, "merge_reasoning_content_in_choices").ok().flatten();
    let wanted = call.stream && call.door.dialect == Dialect::OpenAiChat && asked().unwrap_or(spec.merge_reasoning);
    wanted && !has_choices(call) && !has_probabilities(call)
}

/// A writer that is told of thoughts as of text.
pub(crate) struct Merged {
    writer: Box<dyn EventWriter>,
    /// The blocks that are thoughts.
    thoughts: Vec<u32>,
    begun: bool,
    ended: bool,
}

impl Merged {
    /// Tells that writer.
    pub(crate) fn new(writer: Box<dyn EventWriter>) -> Self {
        Self { writer, thoughts: Vec::new(), begun: false, ended: false }
    }

    /// The text with the mark that stands before it.
    fn marked(&mut self, block: u32, text: &str) -> String {
        if self.thoughts.contains(&block) {
            let mark = if std::mem::replace(&mut self.begun, true) { "" } else { "<think>" };
            return format!("{mark}{text}");
        }
        let ends = self.begun && !self.ended;
        self.ended |= ends;
        format!("{}{text}", if ends { "</think>" } else { "" })
    }
}

impl EventWriter for Merged {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockStart { block, kind: BlockKind::Reasoning { .. } } => {
                self.thoughts.push(*block);
                self.writer.write(&Event::BlockStart { block: *block, kind: BlockKind::Text }, out);
            }
            // A seal has no place in a text.
            Event::BlockDelta { block, delta: Delta::Seal(_) } if self.thoughts.contains(block) => {}
            Event::BlockDelta { block, delta: Delta::Text(text) } if !text.is_empty() => {
                let text = self.marked(*block, text);
                self.writer.write(&Event::BlockDelta { block: *block, delta: Delta::Text(text) }, out);
            }
            other => self.writer.write(other, out),
        }
    }
}
