//! A provider's stream as events.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::open_block::{ChunkDelta, Open};
use super::usage::Counts;
use super::{error, reply, stop};
use crate::assemble::events_of;
use crate::event::{Event, EventReader, Frame, MOST_BLOCKS};
use crate::half::Memo;
use crate::json;
use crate::lenient::Count;
use crate::problem::{Fault, Malformed};
use crate::reply::Finish;

/// One event's payload.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    index: Count,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    delta: Option<ChunkDelta<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// Amazon's envelope: an event's payload in base64.
    bytes: Option<String>,
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    /// Blocks that are whole already.
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
}

/// Reads a stream of this dialect, in SSE or in Amazon's event stream.
pub(super) struct Reader {
    memo: Memo,
    open: Vec<(u32, Open)>,
    next: u32,
    counts: Counts,
    /// The tier that was told.
    tier: String,
    finish: Finish,
    json_answer: bool,
    calls: bool,
    started: bool,
    ended: bool,
    /// The bytes that were kept for the end of their block.
    held: usize,
    content: Finder<'static>,
}

impl Reader {
    pub(super) fn new(memo: Memo) -> Self {
        Self {
            memo,
            open: Vec::new(),
            next: 0,
            counts: Counts::default(),
            tier: String::new(),
            finish: Finish { reason: crate::reply::Reason::Other, ..Finish::default() },
            json_answer: false,
            calls: false,
            started: false,
            ended: false,
            held: 0,
            content: Finder::new(b"\"content_block_delta\""),
        }
    }

    fn payload(&mut self, name: &str, payload: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|error| Malformed::new(&error.to_string()))?;
        if let Some(bytes) = &chunk.bytes {
            let inner = STANDARD.decode(bytes).map_err(|_| Malformed::field("bytes", "is not base64"))?;
            if serde_json::from_slice::<Chunk<'_>>(&inner).is_ok_and(|inner| inner.bytes.is_none()) {
                return self.payload("", &inner, out);
            }
            return Err(Malformed::field("bytes", "is not an event"));
        }
        match chunk.kind.as_ref() {
            "message_start" => self.message_start(chunk.message, out)?,
            "content_block_start" => self.block_start(&chunk, out)?,
            "content_block_delta" => self.block_delta(chunk, payload, out)?,
            "content_block_stop" => {
                let index = chunk.index.place();
                if let Some(at) = self.open.iter().position(|(known, _)| *known == index) {
                    let (_, open) = self.open.remove(at);
                    open.close(out)?;
                }
            }
            "message_delta" => self.message_delta(chunk, out)?,
            "message_stop" => self.message_stop(out)?,
            "ping" => {}
            // A whole answer where a stream was asked for.
            "message" => self.whole(payload, out),
            "error" => self.fault(error::read_event(name, payload), out),
            _ if chunk.error.is_some() || name.ends_with("xception") || name == "error" => {
                self.fault(error::read_event(name, payload), out);
            }
            _ => out.extend(unknown(payload)),
        }
        Ok(())
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id, model, created: None });
        }
    }

    fn message_start(&mut self, message: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let message = message.ok_or_else(|| Malformed::field("message", "is missing"))?;
        let message: MessageStart<'_> =
            serde_json::from_str(message.get()).map_err(|error| Malformed::field("message", &error.to_string()))?;
        if self.next > 0 {
            // What was told of the first answer cannot be taken back, and the two are not one.
            return Err(Malformed::new("a second answer begins amid the first"));
        }
        self.start(message.id, message.model, out);
        self.usage(message.usage, out)?;
        for raw in message.content.into_iter().flatten() {
            self.open_block(raw, out)?.close(out)?;
        }
        if message.stop_reason.is_some() {
            self.finish = stop::read(message.stop_reason, message.stop_sequence, message.stop_details);
        }
        Ok(())
    }

    fn usage(&mut self, raw: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if let Some(raw) = raw {
            self.counts.merge(Counts::read(raw)?);
            out.push(Event::Usage(Box::new(self.counts.to_usage())));
            if let Some(tier) = self.counts.service_tier.clone().filter(|tier| *tier != self.tier) {
                self.tier.clone_from(&tier);
                out.push(Event::Tier(tier));
            }
        }
        Ok(())
    }

    fn block_start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(None, None, out);
        let raw = chunk.content_block.ok_or_else(|| Malformed::field("content_block", "is missing"))?;
        let index = chunk.index.place();
        if let Some(at) = self.open.iter().position(|(known, _)| *known == index) {
            let (_, open) = self.open.remove(at);
            open.close(out)?;
        }
        let open = self.open_block(raw, out)?;
        self.open.push((index, open));
        Ok(())
    }

    fn open_block(&mut self, raw: &RawValue, out: &mut Vec<Event>) -> Result<Open, Malformed> {
        let block = self.next;
        if block as usize == MOST_BLOCKS {
            return Err(Malformed::field("index", "is of more blocks than any answer has"));
        }
        self.next += 1;
        let open = Open::read(block, raw, &self.memo, out)?;
        self.json_answer |= matches!(open, Open::JsonAnswer { .. });
        self.calls |= matches!(open, Open::Call { .. });
        Ok(open)
    }

    fn block_delta(&mut self, chunk: Chunk<'_>, payload: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let delta = chunk.delta.ok_or_else(|| Malformed::field("delta", "is missing"))?;
        let index = chunk.index.place();
        let Some((_, open)) = self.open.iter_mut().find(|(known, _)| *known == index) else {
            return Err(Malformed::field("index", &format!("block {index} goes on but never began")));
        };
        let before = out.len();
        if !open.extend(delta, payload, &self.memo, out)? {
            out.extend(unknown(payload));
        }
        if out.len() == before {
            self.held += payload.len();
        }
        Ok(())
    }

    fn message_delta(&mut self, chunk: Chunk<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(None, None, out);
        if let Some(delta) = chunk.delta
            && delta.stop_reason.is_some()
        {
            self.finish = stop::read(delta.stop_reason, delta.stop_sequence, delta.stop_details);
        }
        self.usage(chunk.usage, out)
    }

    fn message_stop(&mut self, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(None, None, out);
        for (_, open) in std::mem::take(&mut self.open) {
            open.close(out)?;
        }
        let mut finish = std::mem::take(&mut self.finish);
        if self.json_answer && !self.calls {
            finish.reason = stop::of_json_answer(finish.reason);
        }
        self.ended = true;
        out.push(Event::End { finish, service_tier: self.counts.service_tier.take() });
        Ok(())
    }

    fn whole(&mut self, payload: &[u8], out: &mut Vec<Event>) {
        if self.started {
            out.extend(unknown(payload));
            return;
        }
        match reply::read(&self.memo, payload) {
            Ok(reply) => {
                self.started = true;
                self.ended = true;
                out.extend(events_of(&reply));
            }
            Err(fault) => self.fault(fault, out),
        }
    }

    fn fault(&mut self, fault: Fault, out: &mut Vec<Event>) {
        self.ended = true;
        out.push(Event::Fault(Box::new(fault)));
    }
}

fn unknown(payload: &[u8]) -> Option<Event> {
    std::str::from_utf8(payload).ok().and_then(json::raw).map(Event::Unknown)
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.ended || frame.payload.is_empty() || frame.payload == b"[DONE]" {
            return Ok(());
        }
        if frame.name == "error" {
            self.fault(error::read_event(frame.name, frame.payload), out);
            return Ok(());
        }
        self.payload(frame.name, frame.payload, out)
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            self.fault(Fault::truncated(), out);
        }
    }

    fn skim(&self, frame: Frame<'_>) -> bool {
        // Quotes inside a JSON string are escaped, so that no text can look like this.
        self.content.find(frame.payload).is_some()
    }

    fn has_finished(&self) -> bool {
        self.finish.raw.is_some()
    }

    fn held(&self) -> usize {
        self.held
    }
}
