//! A provider's stream, read.
//!
//! What is said in pieces is said again as a whole when it is done, by some providers only then. The reader therefore counts what
//! came and hands out what is missing when the whole is there.

use serde_json::value::RawValue;

use super::content::read_annotation;
use super::error::read_error;
use super::items::{Item, kind_of, read_item};
use super::open_item::{Block, Known, Slot, say};
use super::reply::{Seen, read_finish, read_time};
use super::runs::Runs;
use super::stream_event::{Answer, Wire, is_delta, read_answer, text_of};
use super::usage::read_usage;
use super::{content, likelihood};
use crate::chat::{Part, PartBody};
use crate::event::{BlockKind, Delta, Event, EventReader, Frame, MOST_BLOCKS};
use crate::half::Memo;
use crate::problem::{Fault, Malformed};
use crate::reply::Likelihood;
use crate::seal::OPENAI;

/// Reads a stream of this API.
#[derive(Debug)]
pub(super) struct Reader {
    vendor: String,
    items: Vec<Known>,
    blocks: Vec<Block>,
    next_block: u32,
    started: bool,
    ended: bool,
    seen: Seen,
    /// What the provider's tools did in the items that are done.
    runs: Runs,
    last_number: Option<u64>,
    /// Whether the provider's numbers have been seen to rise: only then do they tell what is there twice.
    numbered: bool,
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.ended || frame.payload == b"[DONE]" || frame.payload.is_empty() {
            return Ok(());
        }
        let wire: Wire<'_> = serde_json::from_slice(frame.payload).map_err(|error| Malformed::new(&error.to_string()))?;
        // An error may come from a gateway on the way, which does not know the number it is at.
        if wire.r#type != "error" && self.is_repeated(*wire.sequence_number) {
            return Ok(());
        }
        self.dispatch(&wire, frame, out)
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            self.ended = true;
            out.push(Event::Fault(Box::new(Fault::truncated())));
        }
    }

    fn skim(&self, frame: Frame<'_>) -> bool {
        is_delta(frame.payload)
    }
}

impl Reader {
    /// A reader at the beginning of a stream.
    pub(super) fn new(memo: Memo) -> Self {
        Self {
            vendor: memo.vendor.unwrap_or_else(|| OPENAI.to_owned()),
            items: Vec::new(),
            blocks: Vec::new(),
            next_block: 0,
            started: false,
            ended: false,
            seen: Seen::default(),
            runs: Runs::default(),
            last_number: None,
            numbered: false,
        }
    }

    fn is_repeated(&mut self, number: Option<u64>) -> bool {
        let Some(number) = number else { return false };
        match self.last_number {
            Some(last) if number <= last => return self.numbered,
            Some(_) => self.numbered = true,
            None => {}
        }
        self.last_number = Some(number);
        false
    }

    fn dispatch(&mut self, wire: &Wire<'_>, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let name = if wire.r#type.is_empty() { frame.name } else { wire.r#type.as_ref() };
        match name {
            "response.created" | "response.in_progress" | "response.queued" => self.on_start(wire, out)?,
            "response.output_item.added" => self.on_item_added(wire, out)?,
            "response.output_item.done" => self.on_item_done(wire, out)?,
            "response.content_part.added" | "response.reasoning_summary_part.added" => {}
            "response.content_part.done" => self.on_part_done(wire, out)?,
            "response.output_text.delta" => self.on_delta(Slot::Text, wire, out)?,
            "response.refusal.delta" => self.on_delta(Slot::Refusal, wire, out)?,
            "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => self.on_delta(Slot::Summary, wire, out)?,
            "response.reasoning_text.delta" | "response.reasoning.delta" => self.on_delta(Slot::Thought, wire, out)?,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => self.on_delta(Slot::Call, wire, out)?,
            "response.output_text.done" => self.on_text_done(Slot::Text, wire, out)?,
            "response.refusal.done" => self.on_text_done(Slot::Refusal, wire, out)?,
            "response.reasoning_summary_text.done" => self.on_text_done(Slot::Summary, wire, out)?,
            "response.reasoning_text.done" => self.on_text_done(Slot::Thought, wire, out)?,
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => self.on_text_done(Slot::Call, wire, out)?,
            "response.output_text.annotation.added" => self.on_annotation(wire, out)?,
            "response.completed" | "response.incomplete" | "response.cancelled" | "response.done" => self.on_end(name, wire, frame, out)?,
            "response.failed" | "error" => self.on_error(wire, frame, out),
            _ if wire.error.is_some_and(|raw| raw.get() != "null") => self.on_error(wire, frame, out),
            // The progress of tools that the provider runs, signs of life.
            _ if name.starts_with("response.") || matches!(name, "keepalive" | "ping") => {}
            _ => out.extend(std::str::from_utf8(frame.payload).ok().and_then(crate::json::raw).map(Event::Unknown)),
        }
        Ok(())
    }

    // === beginning and end ===

    fn start(&mut self, answer: Option<&Answer<'_>>, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start {
                id: answer.and_then(|answer| answer.id.clone()),
                model: answer.and_then(|answer| answer.model.clone()),
                created: answer.and_then(|answer| read_time(answer.created_at)),
            });
        }
    }

    fn on_start(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if !self.started {
            let answer = read_answer(wire.response)?;
            self.start(answer.as_ref(), out);
            // `auto` is what was asked for; which one it became is told at the end.
            let tier = answer.and_then(|answer| answer.service_tier).filter(|tier| tier != "auto");
            out.extend(tier.map(Event::Tier));
        }
        Ok(())
    }

    fn on_end(&mut self, name: &str, wire: &Wire<'_>, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let answer = read_answer(wire.response)?;
        self.start(answer.as_ref(), out);
        let mut status = name.strip_prefix("response.").filter(|status| *status != "done").map(str::to_owned);
        let mut finish = read_finish(status.as_deref(), None, self.seen);
        let mut service_tier = None;
        if let Some(answer) = answer {
            status = answer.status.or(status);
            if status.as_deref() == Some("failed") {
                self.fail(read_error(answer.error, frame.payload), out);
                return Ok(());
            }
            if self.items.is_empty() {
                for raw in answer.output.iter().flatten() {
                    let known = self.add_item(None, raw)?;
                    self.finish_item(known, raw, out)?;
                }
            }
            if let Some(mut usage) = read_usage(answer.usage) {
                let whole = answer.output.as_deref().filter(|output| !output.is_empty());
                let whole = whole.map(|output| Runs::of(output.iter().copied()));
                whole.as_ref().unwrap_or(&self.runs).add_to(&mut usage, answer.tool_usage);
                self.close(|_| true, out);
                out.push(Event::Usage(Box::new(usage)));
            }
            finish = read_finish(status.as_deref(), answer.incomplete_details, self.seen);
            service_tier = answer.service_tier;
        }
        self.close(|_| true, out);
        self.ended = true;
        out.push(Event::End { finish, service_tier });
        Ok(())
    }

    fn on_error(&mut self, wire: &Wire<'_>, frame: Frame<'_>, out: &mut Vec<Event>) {
        let answer = read_answer(wire.response).ok().flatten();
        let inner = answer.and_then(|answer| answer.error).or(wire.error).filter(|raw| raw.get() != "null");
        let whole: Option<&RawValue> = serde_json::from_slice(frame.payload).ok();
        self.fail(read_error(inner.or(whole), frame.payload), out);
    }

    fn fail(&mut self, fault: Fault, out: &mut Vec<Event>) {
        self.ended = true;
        out.push(Event::Fault(Box::new(fault)));
    }

    // === items ===

    fn on_item_added(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(None, out);
        let Some(raw) = wire.item.filter(|raw| raw.get() != "null") else { return Ok(()) };
        let at = self.add_item(*wire.output_index, raw)?;
        if matches!(self.items[at].kind.as_str(), "function_call" | "custom_tool_call") && self.items[at].name.is_some() {
            self.block(at, Slot::Call, 0, out);
        }
        Ok(())
    }

    fn add_item(&mut self, place: Option<u64>, raw: &RawValue) -> Result<usize, Malformed> {
        if self.items.len() == MOST_BLOCKS {
            return Err(Malformed::field("output_index", "is of more items than any answer has"));
        }
        self.items.push(Known::read(place, raw)?);
        Ok(self.items.len() - 1)
    }

    /// The item an event speaks of: by its place, else by its id, else the last one.
    fn find(&self, wire: &Wire<'_>) -> Option<usize> {
        if let Some(place) = *wire.output_index
            && let Some(at) = self.items.iter().rposition(|item| item.place == Some(place))
        {
            return Some(at);
        }
        let by_id = wire.item_id.as_ref().and_then(|id| self.items.iter().rposition(|item| item.id == id.as_ref()));
        match (by_id, *wire.output_index) {
            (Some(at), _) => Some(at),
            (None, None) => self.items.len().checked_sub(1),
            (None, Some(_)) => None,
        }
    }

    /// The item an event speaks of; one that was never announced begins here.
    fn item(&mut self, slot: Slot, wire: &Wire<'_>) -> usize {
        self.find(wire).unwrap_or_else(|| {
            let kind = match slot {
                Slot::Text | Slot::Refusal => "message",
                Slot::Summary | Slot::Thought => "reasoning",
                Slot::Call => "function_call",
            };
            let id = wire.item_id.as_deref().unwrap_or_default().to_owned();
            self.items.push(Known { place: *wire.output_index, id, kind: kind.to_owned(), ..Known::default() });
            self.items.len() - 1
        })
    }

    fn on_item_done(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(None, out);
        let Some(raw) = wire.item.filter(|raw| raw.get() != "null") else { return Ok(()) };
        let by_place = wire.output_index.and_then(|place| self.items.iter().rposition(|item| item.place == Some(place)));
        let at = match by_place {
            Some(at) => at,
            None => self.find_done(wire, raw)?,
        };
        if self.items[at].done {
            return Ok(());
        }
        self.finish_item(at, raw, out)
    }

    /// The item that is done, where the event does not tell its place.
    fn find_done(&mut self, wire: &Wire<'_>, raw: &RawValue) -> Result<usize, Malformed> {
        let at = self.add_item(*wire.output_index, raw)?;
        let done = &self.items[at];
        let same = |item: &Known| !item.done && item.kind == done.kind && (item.id == done.id || done.id.is_empty());
        match self.items[..at].iter().position(same) {
            Some(before) if wire.output_index.is_none() => {
                self.items.pop();
                Ok(before)
            }
            _ => Ok(at),
        }
    }

    /// Hands out what has not come of an item that is whole.
    fn finish_item(&mut self, at: usize, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let kind = kind_of(raw)?;
        self.runs.see(raw);
        let Item { parts, seal } = read_item(&kind, raw, &self.vendor).map_err(|malformed| malformed.within("item"))?;
        if let Some((call, seal)) = seal {
            self.seal_call(&call, Delta::Seal(seal), out);
        }
        if parts.len() > MOST_BLOCKS {
            return Err(Malformed::field("item", "has more parts than any answer has"));
        }
        let mut counts = [0_u64; 2];
        let last = parts.len().saturating_sub(1);
        for (index, part) in parts.into_iter().enumerate() {
            match &part.body {
                PartBody::Text { .. } | PartBody::Refusal(_) => self.finish_said(at, index as u64, part, out),
                PartBody::Reasoning(thought) => {
                    if self.items[at].name.is_none() {
                        self.items[at].name.clone_from(&thought.id);
                    }
                    let slot = if thought.summary { Slot::Summary } else { Slot::Thought };
                    let count = &mut counts[usize::from(!thought.summary)];
                    let block = self.block(at, slot, *count, out);
                    *count += 1;
                    self.remainder(block, &thought.text, out);
                    if let (Some(seal), true) = (&thought.seal, index == last) {
                        self.seal_last(at, block, Delta::Seal(seal.clone()), out);
                    }
                }
                PartBody::ToolCall(call) => {
                    if self.items[at].name.is_none() {
                        self.items[at].name = Some(call.name.clone());
                        self.items[at].namespace.clone_from(&call.namespace);
                        self.items[at].call.clone_from(&call.id);
                        self.items[at].kind.clone_from(&kind);
                    }
                    let block = self.block(at, Slot::Call, 0, out);
                    self.remainder(block, &call.arguments, out);
                }
                PartBody::Hosted(hosted) => self.whole(BlockKind::Hosted(Box::new(hosted.clone())), out),
                PartBody::Image(media) => self.whole(BlockKind::Image(Box::new(media.clone())), out),
                _ => {}
            }
        }
        self.items[at].done = true;
        // A call stays open: its seal may come in the item after it.
        self.close(|block| block.item == at && block.slot != Slot::Call, out);
        Ok(())
    }

    fn finish_said(&mut self, at: usize, index: u64, part: Part, out: &mut Vec<Event>) {
        let likely = likelihood::of(&part);
        match part.body {
            PartBody::Text { text, mut citations } => {
                let block = self.block(at, Slot::Text, index, out);
                if !self.blocks[block].likely {
                    self.likely(block, likely, out);
                }
                self.remainder(block, &text, out);
                let told = self.blocks[block].citations;
                if told == 0 {
                    self.runs.give_found(&mut citations);
                }
                self.blocks[block].citations = told.max(citations.len());
                for citation in citations.into_iter().skip(told) {
                    self.delta(block, Delta::Citation(Box::new(citation)), out);
                }
            }
            PartBody::Refusal(text) => {
                let block = self.block(at, Slot::Refusal, index, out);
                self.remainder(block, &text, out);
            }
            _ => {}
        }
    }

    /// A block that comes whole.
    fn whole(&mut self, kind: BlockKind, out: &mut Vec<Event>) {
        let block = self.next_block;
        self.next_block += 1;
        out.push(Event::BlockStart { block, kind });
        out.push(Event::BlockEnd { block });
    }

    /// The seal of a thought stands at its last block, in whatever order they came.
    fn seal_last(&mut self, at: usize, block: usize, seal: Delta, out: &mut Vec<Event>) {
        let last = self.blocks.iter().rposition(|known| known.item == at && known.open).unwrap_or(block);
        self.delta(last, seal, out);
    }

    fn seal_call(&mut self, call: &str, seal: Delta, out: &mut Vec<Event>) {
        let sealed = self.blocks.iter().rposition(|block| block.open && block.slot == Slot::Call && self.items[block.item].call == call);
        if let Some(block) = sealed {
            self.delta(block, seal, out);
        }
    }

    // === blocks ===

    /// The block of an item, begun if it has not.
    fn block(&mut self, item: usize, slot: Slot, index: u64, out: &mut Vec<Event>) -> usize {
        let same = |block: &Block| block.item == item && block.slot == slot && block.index == index;
        if let Some(at) = self.blocks.iter().rposition(same) {
            return at;
        }
        self.open(item, slot, index, out)
    }

    fn open(&mut self, item: usize, slot: Slot, index: u64, out: &mut Vec<Event>) -> usize {
        // No seal comes for the calls before, and the pieces of this item before this one are complete.
        let items = &self.items;
        for block in self.blocks.iter_mut().filter(|block| block.open) {
            if block.item == item || block.slot == Slot::Call && items[block.item].done {
                block.open = false;
                out.push(Event::BlockEnd { block: block.id });
            }
        }
        self.start(None, out);
        let id = self.next_block;
        self.next_block += 1;
        let known = &self.items[item];
        let kind = match slot {
            Slot::Text => BlockKind::Text,
            Slot::Refusal => BlockKind::Refusal,
            Slot::Summary | Slot::Thought => BlockKind::Reasoning { id: known.thought_id(), summary: slot == Slot::Summary },
            Slot::Call => BlockKind::ToolCall {
                id: known.call.clone(),
                name: known.name.clone().unwrap_or_default(),
                custom: known.kind == "custom_tool_call",
                namespace: known.namespace.clone(),
            },
        };
        self.seen.call |= slot == Slot::Call;
        self.seen.refusal |= slot == Slot::Refusal;
        out.push(Event::BlockStart { block: id, kind });
        self.blocks.push(Block { item, slot, index, id, came: 0, citations: 0, likely: false, open: true });
        self.blocks.len() - 1
    }

    fn delta(&mut self, block: usize, delta: Delta, out: &mut Vec<Event>) {
        let known = &self.blocks[block];
        if known.open {
            out.push(Event::BlockDelta { block: known.id, delta });
        }
    }

    fn likely(&mut self, block: usize, tokens: Vec<Likelihood>, out: &mut Vec<Event>) {
        if !tokens.is_empty() {
            self.blocks[block].likely = true;
            out.push(Event::Likely(tokens));
        }
    }

    fn close(&mut self, which: impl Fn(&Block) -> bool, out: &mut Vec<Event>) {
        for block in self.blocks.iter_mut().filter(|block| block.open && which(block)) {
            block.open = false;
            out.push(Event::BlockEnd { block: block.id });
        }
    }

    /// What a whole text has beyond what came of it.
    fn remainder(&mut self, block: usize, whole: &str, out: &mut Vec<Event>) {
        let known = &mut self.blocks[block];
        let Some(more) = whole.get(known.came..).filter(|more| !more.is_empty()) else { return };
        known.came = whole.len();
        let slot = known.slot;
        self.delta(block, say(slot, more.to_owned()), out);
    }

    fn on_delta(&mut self, slot: Slot, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let Some(text) = wire.delta.map(text_of).transpose()?.filter(|text| !text.is_empty()) else { return Ok(()) };
        let item = self.item(slot, wire);
        let index = self.index(slot, wire);
        let mut block = self.block(item, slot, index, out);
        if !self.blocks[block].open && slot != Slot::Call {
            // Pieces of one item that take turns.
            let came = self.blocks[block].came;
            block = self.open(item, slot, index, out);
            self.blocks[block].came = came;
        }
        self.blocks[block].came += text.len();
        self.likely(block, likelihood::read(wire.logprobs), out);
        self.delta(block, say(slot, text), out);
        Ok(())
    }

    /// Which piece of its item an event speaks of. A call has only one.
    fn index(&self, slot: Slot, wire: &Wire<'_>) -> u64 {
        match slot {
            Slot::Call => 0,
            Slot::Summary => wire.summary_index.or(*wire.content_index).unwrap_or(0),
            Slot::Text | Slot::Refusal | Slot::Thought => wire.content_index.unwrap_or(0),
        }
    }

    fn on_text_done(&mut self, slot: Slot, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let whole = wire.text.or(wire.refusal).or(wire.arguments).or(wire.input);
        let Some(text) = whole.map(text_of).transpose()?.filter(|text| !text.is_empty()) else { return Ok(()) };
        let item = self.item(slot, wire);
        if slot == Slot::Call && self.items[item].name.is_none() {
            // The item that follows names the tool.
            return Ok(());
        }
        let index = self.index(slot, wire);
        let block = self.block(item, slot, index, out);
        self.remainder(block, &text, out);
        Ok(())
    }

    fn on_part_done(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let Some(raw) = wire.part.filter(|raw| raw.get() != "null") else { return Ok(()) };
        let at = self.item(Slot::Text, wire);
        if self.items[at].kind == "message" && !self.items[at].done {
            let part = content::read_piece(raw).map_err(|malformed| malformed.within("part"))?;
            let index = wire.content_index.unwrap_or(0);
            self.finish_said(at, index, part, out);
            self.close(|block| block.item == at && block.index == index, out);
        }
        Ok(())
    }

    fn on_annotation(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let Some(raw) = wire.annotation else { return Ok(()) };
        let citation = read_annotation(raw)?;
        let item = self.item(Slot::Text, wire);
        let block = self.block(item, Slot::Text, wire.content_index.unwrap_or(0), out);
        self.blocks[block].citations += 1;
        self.delta(block, Delta::Citation(Box::new(citation)), out);
        Ok(())
    }
}
