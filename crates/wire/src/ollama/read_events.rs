//! A streamed answer: lines that each hold a piece, the last one `done`.

use super::fault;
use super::reply::{Line, finish};
use crate::event::{BlockKind, Delta, Event, EventReader, Frame};
use crate::problem::{Fault, Kind, Malformed};

/// Reads the stream's lines.
#[derive(Default)]
pub(super) struct Reader {
    started: bool,
    over: bool,
    next: u32,
    open: Option<(u32, Said)>,
    calls: usize,
    salt: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Text,
    Thought,
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.over || frame.payload.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let line: Line<'_> = serde_json::from_slice(frame.payload).map_err(|error| Malformed::new(&error.to_string()))?;
        if line.error.is_some() {
            self.fail(fault(Kind::Upstream, frame.payload), out);
            return Ok(());
        }
        self.line(line, out);
        Ok(())
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if !self.over {
            self.fail(Fault::truncated(), out);
        }
    }
}

impl Reader {
    fn fail(&mut self, fault: Fault, out: &mut Vec<Event>) {
        self.over = true;
        out.push(Event::Fault(Box::new(fault)));
    }

    fn line(&mut self, mut line: Line<'_>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            self.salt = line.created_at.as_deref().unwrap_or_default().to_owned();
            out.push(Event::Start { id: None, model: line.model.as_deref().map(str::to_owned), created: line.created() });
        }
        out.extend(Some(line.likelihoods()).filter(|tokens| !tokens.is_empty()).map(Event::Likely));
        if let Some(message) = line.message.take() {
            self.say(Said::Thought, message.thinking.as_deref(), out);
            self.say(Said::Text, message.content.as_deref(), out);
            for call in message.tool_calls.into_iter().flatten() {
                self.close(out);
                // Every call is whole: two that come one after the other are two.
                let call = call.read(self.calls, &self.salt);
                self.calls += 1;
                let block = self.block();
                out.push(Event::BlockStart {
                    block,
                    kind: BlockKind::ToolCall { id: call.id, name: call.name, custom: false, namespace: None },
                });
                out.push(Event::BlockDelta { block, delta: Delta::Arguments(call.arguments) });
                out.push(Event::BlockEnd { block });
            }
        }
        if !line.done {
            return;
        }
        self.close(out);
        if let Some(usage) = line.usage() {
            out.push(Event::Usage(Box::new(usage)));
        }
        self.over = true;
        out.push(Event::End { finish: finish(line.done_reason, self.calls > 0), service_tier: None });
    }

    fn block(&mut self) -> u32 {
        let block = self.next;
        self.next += 1;
        block
    }

    fn say(&mut self, said: Said, text: Option<&str>, out: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let block = match self.open {
            Some((block, open)) if open == said => block,
            _ => {
                self.close(out);
                let block = self.block();
                let kind = match said {
                    Said::Text => BlockKind::Text,
                    Said::Thought => BlockKind::Reasoning { id: None, summary: false },
                };
                out.push(Event::BlockStart { block, kind });
                self.open = Some((block, said));
                block
            }
        };
        out.push(Event::BlockDelta { block, delta: Delta::Text(text.to_owned()) });
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|(block, _)| Event::BlockEnd { block }));
    }
}
