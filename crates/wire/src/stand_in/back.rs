//! Calls of functions that stand for other tools, as calls of those.

use serde_json::Value;

use super::INPUT;
use crate::chat::PartBody;
use crate::event::{BlockKind, Delta, Event, EventReader, Frame};
use crate::half::{Memo, Outbound, StandIn};
use crate::problem::{Fault, Malformed};
use crate::reply::ChatReply;

/// Reads a whole answer as the client is to have it.
pub fn read_reply(outbound: &dyn Outbound, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let mut reply = outbound.read_reply(memo, body)?;
    turn(&mut reply, memo);
    Ok(reply)
}

fn turn(reply: &mut ChatReply, memo: &Memo) {
    for part in &mut reply.parts {
        let PartBody::ToolCall(call) = &mut part.body else { continue };
        let Some(known) = memo.stand_ins.iter().find(|known| known.name == call.name) else { continue };
        call.name.clone_from(&known.tool);
        call.namespace.clone_from(&known.namespace);
        if known.custom {
            call.custom = true;
            call.arguments = text_of(&call.arguments);
        }
    }
    reply.further.iter_mut().for_each(|other| turn(other, memo));
}

/// Reads a streamed answer as the client is to have it.
pub fn event_reader(outbound: &dyn Outbound, mut memo: Memo) -> Box<dyn EventReader> {
    let stand_ins = std::mem::take(&mut memo.stand_ins);
    let reader = outbound.event_reader(memo);
    if stand_ins.is_empty() {
        return reader;
    }
    Box::new(Back { reader, stand_ins, open: Vec::new(), held: 0 })
}

/// A reader of streams in which functions stand for other tools.
struct Back {
    reader: Box<dyn EventReader>,
    stand_ins: Vec<StandIn>,
    /// The blocks of calls with free text, by answer, and their arguments so far: where a text ends is known at the end.
    open: Vec<((u64, u32), String)>,
    /// The bytes of those.
    held: usize,
}

impl EventReader for Back {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let before = out.len();
        let read = self.reader.read(frame, out);
        self.turn(before, out);
        read
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        let before = out.len();
        self.reader.eof(out);
        self.turn(before, out);
    }

    fn has_finished(&self) -> bool {
        self.reader.has_finished()
    }

    fn held(&self) -> usize {
        self.held + self.reader.held()
    }
}

impl Back {
    /// Turns the events behind that place.
    fn turn(&mut self, before: usize, out: &mut Vec<Event>) {
        for event in out.split_off(before) {
            match event {
                Event::Further { answer, event } => {
                    let mut steps = Vec::new();
                    self.step(answer, *event, &mut steps);
                    out.extend(Event::further(answer, steps));
                }
                event => self.step(0, event, out),
            }
        }
    }

    fn step(&mut self, answer: u64, mut event: Event, out: &mut Vec<Event>) {
        let at = |open: &[((u64, u32), String)], block: u32| open.iter().position(|(known, _)| *known == (answer, block));
        match &mut event {
            Event::BlockStart { block, kind } => {
                let is_free_text = self.name(kind);
                self.open.extend(is_free_text.then(|| ((answer, *block), String::new())));
            }
            Event::BlockDelta { block, delta: Delta::Arguments(more) } => {
                if let Some(at) = at(&self.open, *block) {
                    self.held += more.len();
                    return self.open[at].1.push_str(more);
                }
            }
            Event::BlockEnd { block } => {
                if let Some(at) = at(&self.open, *block) {
                    let text = text_of(&self.open.swap_remove(at).1);
                    if !text.is_empty() {
                        out.push(Event::BlockDelta { block: *block, delta: Delta::Arguments(text) });
                    }
                }
            }
            _ => {}
        }
        out.push(event);
    }

    /// Names the tool that a call stands for. Whether that one takes free text.
    fn name(&self, kind: &mut BlockKind) -> bool {
        let BlockKind::ToolCall { name, custom, namespace, .. } = kind else { return false };
        let Some(known) = self.stand_ins.iter().find(|known| known.name == *name) else { return false };
        name.clone_from(&known.tool);
        namespace.clone_from(&known.namespace);
        *custom |= known.custom;
        known.custom
    }
}

/// The text in a call's arguments; models that call the field otherwise, or leave out the object around it, are understood.
fn text_of(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(mut fields)) => {
            let only = if fields.len() == 1 { fields.keys().next().cloned() } else { None };
            let said = fields.remove(INPUT).or_else(|| fields.remove(&only?));
            match said {
                Some(Value::String(text)) => text,
                _ if arguments.trim() == "{}" => String::new(),
                _ => arguments.to_owned(),
            }
        }
        _ => arguments.to_owned(),
    }
}
