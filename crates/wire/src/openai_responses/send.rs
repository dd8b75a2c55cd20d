//! Events, one by one: their numbers, their places and their names.

use bytes::BytesMut;

use super::output;
use crate::chat::{Part, PartBody};
use crate::json::{Object, write_object};

/// Writes events with their numbers.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// The number of the next event.
    pub(super) number: u64,
    buffer: Vec<u8>,
}

impl Sender {
    /// One whose next event has that number.
    pub(super) fn at(number: u64) -> Self {
        Self { number, buffer: Vec::new() }
    }

    /// Writes one event.
    pub(super) fn send(&mut self, out: &mut BytesMut, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.buffer.clear();
        self.buffer.extend_from_slice(b"event: ");
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\ndata: ");
        let (number, start) = (self.number, self.buffer.len());
        write_object(&mut self.buffer, |object| {
            object.field("type", name);
            object.field("sequence_number", &number);
            write(object);
        });
        // What is passed on as sent may have lines; a line feed would end the event's field.
        self.buffer[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        self.buffer.extend_from_slice(b"\n\n");
        out.extend_from_slice(&self.buffer);
        self.number += 1;
    }
}

/// Writes where something is said.
pub(super) fn place_of(object: &mut Object<'_>, id: &str, place: usize, key: Option<&str>, index: usize) {
    object.field("item_id", id);
    object.field("output_index", &place);
    if let Some(key) = key {
        object.field(key, &index);
    }
}

/// The events that bring a piece and end it, and the name of its place in its item.
pub(super) fn names(part: &Part) -> ((&'static str, &'static str), Option<&'static str>) {
    match &part.body {
        PartBody::Refusal(_) => (("response.refusal.delta", "response.refusal.done"), Some("content_index")),
        PartBody::Reasoning(thought) if thought.summary => {
            (("response.reasoning_summary_text.delta", "response.reasoning_summary_text.done"), Some("summary_index"))
        }
        PartBody::Reasoning(_) => (("response.reasoning_text.delta", "response.reasoning_text.done"), Some("content_index")),
        PartBody::ToolCall(call) if call.custom => {
            (("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"), None)
        }
        PartBody::ToolCall(_) => (("response.function_call_arguments.delta", "response.function_call_arguments.done"), None),
        _ => (("response.output_text.delta", "response.output_text.done"), Some("content_index")),
    }
}

/// The event that begins a piece.
pub(super) fn part_added(part: &Part) -> &'static str {
    match &part.body {
        PartBody::Reasoning(thought) if thought.summary => "response.reasoning_summary_part.added",
        _ => "response.content_part.added",
    }
}

/// Writes a piece of an item.
pub(super) fn write_part(part: &Part) -> Vec<u8> {
    let mut out = Vec::new();
    match &part.body {
        PartBody::Reasoning(thought) => write_object(&mut out, |object| {
            object.field("type", if thought.summary { "summary_text" } else { "reasoning_text" });
            object.field("text", &thought.text);
        }),
        _ => {
            output::write_said(&mut out, part);
        }
    }
    out
}
