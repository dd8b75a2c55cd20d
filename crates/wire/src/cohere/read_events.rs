//! A streamed answer. The plan has no start and no end, contents and calls are numbered apart, citations follow their text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use super::reply::{Call, arguments, finish, read_citations, read_usage};
use crate::event::{BlockKind, Delta, Event, EventReader, Frame};
use crate::half::Memo;
use crate::lenient::place;
use crate::problem::{Fault, Malformed};

/// Reads the stream's events.
#[derive(Default)]
pub(super) struct Reader {
    memo: Memo,
    started: bool,
    over: bool,
    next: u32,
    plan: Option<u32>,
    contents: Vec<Open>,
    /// A text that is complete but may still get its citations.
    lingering: Option<u32>,
    calls: Vec<Pending>,
    called: bool,
}

struct Open {
    index: u32,
    block: u32,
    is_text: bool,
}

struct Pending {
    index: u32,
    block: u32,
    /// Input that may yet turn out to be `null`; `None` once it has not.
    held: Option<String>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Start {
    id: Option<String>,
}

#[derive(Deserialize)]
struct At<T> {
    #[serde(default, deserialize_with = "place")]
    index: u32,
    delta: Within<T>,
}

#[derive(Deserialize)]
struct Within<T> {
    message: T,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default, deserialize_with = "place")]
    index: u32,
}

#[derive(Deserialize)]
struct ContentMessage<'a> {
    #[serde(borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PlanMessage<'a> {
    #[serde(borrow)]
    tool_plan: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct CallMessage {
    tool_calls: Call,
}

#[derive(Deserialize)]
struct InputMessage<'a> {
    #[serde(borrow)]
    tool_calls: Input<'a>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    function: InputFunction<'a>,
}

#[derive(Deserialize)]
struct InputFunction<'a> {
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct CitationMessage<'a> {
    #[serde(borrow)]
    citations: &'a RawValue,
}

#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow)]
    delta: EndDelta<'a>,
}

#[derive(Deserialize)]
struct EndDelta<'a> {
    finish_reason: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Option<String>,
    error_type: Option<String>,
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(payload).map_err(|error| Malformed::new(&error.to_string()))
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.over || frame.payload == b"[DONE]" {
            return Ok(());
        }
        let typed: Typed<'_>;
        let name = if frame.name.is_empty() {
            typed = parse(frame.payload)?;
            typed.r#type.as_deref().unwrap_or_default()
        } else {
            frame.name
        };
        self.event(name, frame.payload, out)
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if !self.over {
            self.fail(Fault::truncated(), out);
        }
    }
}

impl Reader {
    pub(super) fn new(memo: Memo) -> Self {
        Self { memo, ..Self::default() }
    }

    fn event(&mut self, name: &str, payload: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        match name {
            "message-start" => self.start(parse::<Start>(payload)?.id, out),
            "content-start" | "content-delta" => self.content(&parse(payload)?, out),
            "content-end" => {
                let end: Index = parse(payload)?;
                self.content_end(end.index, out);
            }
            "tool-plan-delta" => self.plan(parse::<At<PlanMessage<'_>>>(payload)?.delta.message, out),
            "tool-call-start" => self.call_start(parse(payload)?, out),
            "tool-call-delta" => self.call_delta(&parse(payload)?, out)?,
            "tool-call-end" => {
                let end: Index = parse(payload)?;
                self.call_end(end.index, out);
            }
            "citation-start" => self.citation(&parse(payload)?, out),
            "citation-end" => {}
            "message-end" => self.message_end(parse::<End<'_>>(payload)?.delta, payload, out),
            _ => match error::in_place(payload) {
                Some(fault) => self.fail(fault, out),
                None => out.push(Event::Unknown(parse(payload)?)),
            },
        }
        Ok(())
    }

    fn start(&mut self, id: Option<String>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id, model: None, created: None });
        }
    }

    fn fail(&mut self, fault: Fault, out: &mut Vec<Event>) {
        self.over = true;
        out.push(Event::Fault(Box::new(fault)));
    }

    fn open(&mut self, kind: BlockKind, out: &mut Vec<Event>) -> u32 {
        self.start(None, out);
        self.settle(out);
        let block = self.next;
        self.next += 1;
        out.push(Event::BlockStart { block, kind });
        block
    }

    /// Ends what has no end of its own.
    fn settle(&mut self, out: &mut Vec<Event>) {
        for block in self.plan.take().into_iter().chain(self.lingering.take()) {
            out.push(Event::BlockEnd { block });
        }
    }

    fn content(&mut self, event: &At<ContentMessage<'_>>, out: &mut Vec<Event>) {
        let content = &event.delta.message.content;
        let is_thought = content.thinking.is_some() || content.r#type.as_deref() == Some("thinking");
        let more = if is_thought { &content.thinking } else { &content.text };
        let known = self.contents.iter().find(|open| open.index == event.index && open.is_text != is_thought).map(|open| open.block);
        let Some(more) = more.as_deref().filter(|more| !more.is_empty()) else { return };
        let block = known.unwrap_or_else(|| {
            self.content_end(event.index, out);
            let kind = if is_thought { BlockKind::Reasoning { id: None, summary: false } } else { BlockKind::Text };
            let block = self.open(kind, out);
            self.contents.push(Open { index: event.index, block, is_text: !is_thought });
            block
        });
        out.push(Event::BlockDelta { block, delta: Delta::Text(more.to_owned()) });
    }

    fn content_end(&mut self, index: u32, out: &mut Vec<Event>) {
        let Some(at) = self.contents.iter().position(|open| open.index == index) else { return };
        let open = self.contents.remove(at);
        let ended = if open.is_text { self.lingering.replace(open.block) } else { Some(open.block) };
        out.extend(ended.map(|block| Event::BlockEnd { block }));
    }

    fn plan(&mut self, message: PlanMessage<'_>, out: &mut Vec<Event>) {
        let Some(text) = message.tool_plan.filter(|text| !text.is_empty()) else { return };
        let block = match self.plan {
            Some(block) => block,
            None => {
                let block = self.open(BlockKind::Reasoning { id: None, summary: false }, out);
                self.plan = Some(block);
                block
            }
        };
        out.push(Event::BlockDelta { block, delta: Delta::Text(text.into_owned()) });
    }

    fn call_start(&mut self, event: At<CallMessage>, out: &mut Vec<Event>) {
        self.call_end(event.index, out);
        self.called = true;
        let Call { id, function } = event.delta.message.tool_calls;
        let id = id.unwrap_or_else(|| format!("call_{}", event.index));
        let block = self.open(BlockKind::ToolCall { id, name: function.name, custom: false, namespace: None }, out);
        self.calls.push(Pending { index: event.index, block, held: Some(String::new()) });
        self.input(self.calls.len() - 1, &function.arguments.unwrap_or_default(), out);
    }

    fn call_delta(&mut self, event: &At<InputMessage<'_>>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let at = self.calls.iter().position(|call| call.index == event.index);
        let at = at.ok_or_else(|| Malformed::field("index", "a call goes on that never began"))?;
        self.input(at, event.delta.message.tool_calls.function.arguments.as_deref().unwrap_or_default(), out);
        Ok(())
    }

    fn input(&mut self, at: usize, more: &str, out: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(at).filter(|_| !more.is_empty()) else { return };
        let text = match call.held.take() {
            Some(held) => held + more,
            None => more.to_owned(),
        };
        let block = call.block;
        if "null".starts_with(text.as_str()) {
            call.held = Some(text);
        } else {
            out.push(Event::BlockDelta { block, delta: Delta::Arguments(text) });
        }
    }

    fn call_end(&mut self, index: u32, out: &mut Vec<Event>) {
        let Some(at) = self.calls.iter().position(|call| call.index == index) else { return };
        let Pending { block, held, .. } = self.calls.remove(at);
        if let Some(held) = held {
            out.push(Event::BlockDelta { block, delta: Delta::Arguments(arguments(held)) });
        }
        out.push(Event::BlockEnd { block });
    }

    fn citation(&mut self, event: &At<CitationMessage<'_>>, out: &mut Vec<Event>) {
        let Some(cited) = read_citations(event.delta.message.citations) else { return };
        let named = cited.content.and_then(|content| u32::try_from(content).ok());
        let texts = || self.contents.iter().filter(|open| open.is_text);
        let open = texts().find(|open| Some(open.index) == named).or_else(|| texts().next_back());
        let Some(block) = open.map(|open| open.block).or(self.lingering) else { return };
        let deltas = cited.sources.into_iter().map(|citation| Delta::Citation(Box::new(citation)));
        out.extend(deltas.map(|delta| Event::BlockDelta { block, delta }));
    }

    fn message_end(&mut self, end: EndDelta<'_>, payload: &[u8], out: &mut Vec<Event>) {
        self.start(None, out);
        if let Some(usage) = end.usage.and_then(read_usage) {
            out.push(Event::Usage(Box::new(usage)));
        }
        if end.error.is_some() || end.finish_reason.as_deref() == Some("ERROR") {
            return self.fail(error::in_answer(end.error, end.error_type, payload), out);
        }
        while let Some(index) = self.contents.first().map(|open| open.index) {
            self.content_end(index, out);
        }
        while let Some(index) = self.calls.first().map(|call| call.index) {
            self.call_end(index, out);
        }
        self.settle(out);
        self.over = true;
        out.push(Event::End { finish: finish(&self.memo, end.finish_reason, self.called), service_tier: None });
    }
}
